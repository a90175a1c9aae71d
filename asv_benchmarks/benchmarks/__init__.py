"""The airspeed-velocity suite: one module a question."""
