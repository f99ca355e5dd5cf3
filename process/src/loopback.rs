//! The two loopback addresses on one port, so that `localhost` works whichever family an app tries.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::listen::{self, ListenError};

/// How often another free port is tried when the one of IPv4 is taken on IPv6.
const TRIES: usize = 16;

/// Listens on 127.0.0.1 and `[::1]`, in this order, both on `port`; port 0 takes one that is free on
/// both. On a machine without IPv6 there is one listener. Must be called within a runtime.
pub fn bind(port: u16) -> Result<Vec<TcpListener>, ListenError> {
    bind_by(listen::bind, port)
}

fn bind_by(
    mut open: impl FnMut(SocketAddr) -> Result<TcpListener, ListenError>,
    port: u16,
) -> Result<Vec<TcpListener>, ListenError> {
    let mut tries = 1;
    loop {
        let v4 = open((Ipv4Addr::LOCALHOST, port).into())?;
        let chosen = port_of(&v4, port)?;
        match open((Ipv6Addr::LOCALHOST, chosen).into()) {
            Ok(v6) => return Ok(vec![v4, v6]),
            Err(ListenError::NotHere { .. }) => return Ok(vec![v4]),
            Err(ListenError::InUse { .. }) if port == 0 && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

fn port_of(listener: &TcpListener, asked: u16) -> Result<u16, ListenError> {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, asked).into();
    let bound = listener
        .local_addr()
        .map_err(|source| ListenError::Other { address, source })?;
    Ok(bound.port())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::{TcpListener, TcpStream};

    use super::{TRIES, bind, bind_by};
    use crate::listen::{self, ListenError};

    #[tokio::test]
    async fn both_families_share_the_port_that_was_free() {
        let listeners = bind(0).unwrap();
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert!(
            ports.iter().all(|port| *port == ports[0] && *port != 0),
            "{ports:?}"
        );
        for listener in &listeners {
            let address = listener.local_addr().unwrap();
            assert!(address.ip().is_loopback());
            TcpStream::connect(address).await.unwrap();
            listener.accept().await.unwrap();
        }
    }

    /// A machine on which IPv6 fails as `v6` says, at each try; IPv4 is real.
    fn with_v6(
        mut v6: impl FnMut(SocketAddr) -> ListenError,
    ) -> impl FnMut(SocketAddr) -> Result<TcpListener, ListenError> {
        move |address| {
            if address.is_ipv6() {
                Err(v6(address))
            } else {
                listen::bind(address)
            }
        }
    }

    #[tokio::test]
    async fn without_ipv6_there_is_ipv4_alone() {
        let open = with_v6(|address| ListenError::NotHere { address });
        let listeners = bind_by(open, 0).unwrap();
        assert_eq!(listeners.len(), 1);
        assert!(listeners[0].local_addr().unwrap().is_ipv4());
    }

    #[tokio::test]
    async fn a_free_port_that_ipv6_has_taken_is_left_for_another_a_few_times() {
        let mut asked = 0;
        let open = with_v6(|address| {
            asked += 1;
            ListenError::InUse { address }
        });
        assert!(matches!(bind_by(open, 0), Err(ListenError::InUse { .. })));
        assert_eq!(asked, TRIES);
    }

    #[tokio::test]
    async fn a_given_port_that_ipv6_has_taken_is_an_error_at_once() {
        let given = {
            let free = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            free.local_addr().unwrap().port()
        };
        let mut asked = 0;
        let open = with_v6(|address| {
            asked += 1;
            ListenError::InUse { address }
        });
        assert!(matches!(
            bind_by(open, given),
            Err(ListenError::InUse { .. })
        ));
        assert!(asked <= 1, "no other port is tried");
    }
}
