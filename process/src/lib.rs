//! What both binaries do alike: telemetry, signals, admin server.
