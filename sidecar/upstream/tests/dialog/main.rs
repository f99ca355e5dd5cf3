//! Deliveries to a server that is a script: in memory, over real TLS, under paused time.

mod authority;
mod certificates;
mod content;
mod delivery;
mod hostile;
mod login;
mod pool;
mod script;
mod stalls;
mod world;
