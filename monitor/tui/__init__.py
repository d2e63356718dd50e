"""Terminal screens over the client. `bars` and `cells` need rich alone; `top` and what it imports need textual."""
