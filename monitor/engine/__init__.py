"""The line: from a poll to the outlets. Runs on anyio alone; knows the interfaces of drivers, never a driver."""
