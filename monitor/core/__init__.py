"""Pure decisions: no I/O, no clock, no chance, no log, no async. Time comes in with each observation."""
