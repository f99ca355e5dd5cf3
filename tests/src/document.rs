//! Documents as an operator renders them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use zoho_simulator::Running;

/// The document of `name`, for a mailbox at the simulator's implicit-TLS port.
pub fn document(name: &str, address: &str, password: &str, simulator: &Running) -> Value {
    let port = simulator
        .implicit_tls()
        .expect("the simulator has an implicit-TLS port")
        .port();
    at(name, address, password, port, simulator.ca_pem())
}

/// The same at the simulator's STARTTLS port.
pub fn starttls(name: &str, address: &str, password: &str, simulator: &Running) -> Value {
    let port = simulator
        .starttls()
        .map(|address: SocketAddr| address.port());
    let mut document = document(name, address, password, simulator);
    document["upstream"]["port"] = json!(port);
    document["upstream"]["security"] = json!("StartTls");
    document
}

/// A document for any server on loopback that is called `localhost`.
pub fn at(name: &str, address: &str, password: &str, port: u16, ca_pem: &str) -> Value {
    json!({
        "version": 1,
        "name": name,
        "addresses": {"primary": address},
        "upstream": {
            "host": "localhost", "port": port, "security": "ImplicitTls", "trustAnchors": ca_pem,
        },
        "login": {"username": address, "password": password},
    })
}
