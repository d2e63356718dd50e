"""Local stand-ins for the services that Stagewatch watches: an island that shares no code with what it imitates."""
