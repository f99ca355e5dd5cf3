//! The smallest name server: a table of TXT, MX and A records (RFC 1035), over UDP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

const A: u16 = 1;
const MX: u16 = 15;
const TXT: u16 = 16;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

type Table = Arc<Mutex<Vec<(String, u16, Vec<u8>)>>>;

/// A name server with the records of a domain that is as it should be.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    table: Table,
    _task: JoinSet<()>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let table = Table::default();
        let mut task = JoinSet::new();
        task.spawn(serve(socket, table.clone()));
        let server = Self {
            address,
            table,
            _task: task,
        };
        server.text("example.com", "v=spf1 include:zohomail.eu ~all");
        server.text("zmail._domainkey.example.com", "v=DKIM1; k=rsa; p=MIGfMA0");
        server.exchanger("example.com", "mx.zoho.eu");
        server
    }

    pub(crate) fn text(&self, name: &str, text: &str) {
        let mut data = vec![u8::try_from(text.len()).unwrap()];
        data.extend(text.as_bytes());
        self.add(name, TXT, data);
    }

    pub(crate) fn exchanger(&self, name: &str, host: &str) {
        let mut data = vec![0, 10];
        data.extend(encoded(host));
        self.add(name, MX, data);
    }

    pub(crate) fn host(&self, name: &str, address: Ipv4Addr) {
        self.add(name, A, address.octets().to_vec());
    }

    /// A name that exists, with no records of use.
    pub(crate) fn forget(&self, name: &str) {
        self.table.lock().unwrap().retain(|(own, ..)| own != name);
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) {
        self.table
            .lock()
            .unwrap()
            .push((name.to_owned(), kind, data));
    }
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

async fn serve(socket: UdpSocket, table: Table) {
    let mut packet = [0; 1500];
    while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
        if let Some(answer) = answer(&packet[..length], &table) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

/// `silent.*` gets no answer, `broken.*` SERVFAIL.
fn answer(query: &[u8], table: &Table) -> Option<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        name.push_str(std::str::from_utf8(&query[at + 1..end]).unwrap());
        name.push('.');
        at = end;
    }
    let question_end = at + 5;
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let table = table.lock().unwrap();
    let known: Vec<_> = table.iter().filter(|(own, ..)| *own == name).collect();
    let found: Vec<_> = known.iter().filter(|(_, own, _)| *own == kind).collect();
    let code = match name.split('.').next() {
        Some("silent") => return None,
        Some("broken") => SERVFAIL,
        _ if known.is_empty() => NXDOMAIN,
        _ => 0,
    };
    let mut answer = query[..2].to_vec();
    answer.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::try_from(found.len()).unwrap(),
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&query[12..question_end]);
    for (_, kind, data) in found {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}
