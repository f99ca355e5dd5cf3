//! Connections: each of the client's has one of its own to the API server.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::answer::{self, Answer, Cut};
use super::fault::Fault;
use super::request::Request;
use super::rules::Rules;
use super::stream;

/// What a client's connection is served by.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) acceptor: TlsAcceptor,
    pub(super) connector: TlsConnector,
    pub(super) upstream: SocketAddr,
    pub(super) rules: Arc<Rules>,
}

impl Server {
    /// Until it is aborted, which ends its connections.
    pub(super) async fn run(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((socket, _)) = accepted {
                        connections.spawn(self.clone().connection(socket));
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self, socket: TcpStream) {
        let rules = self.rules.clone();
        tokio::select! {
            () = self.serve(socket) => {}
            () = rules.cut() => {}
        }
    }

    async fn serve(self, mut socket: TcpStream) {
        self.rules.thawed().await;
        if *self.rules.tls_broken.borrow() {
            let _ = socket.write_all(b"this is no TLS record\r\n").await;
            return;
        }
        let Ok(socket) = self.acceptor.accept(socket).await else {
            return;
        };
        let upstream = Mutex::new(None);
        let service = service_fn(|request| self.answer(request, &upstream));
        // A client that goes away, or a rule that cuts it, ends its connection and nothing else.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service)
            .await;
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        upstream: &Mutex<Option<SendRequest<Incoming>>>,
    ) -> Result<hyper::Response<Answer>, Cut> {
        let asked = Request::parse(request.method(), request.uri());
        self.rules.thawed().await;
        let met = self.rules.meet(&asked);
        let fault = met.as_ref().map(|met| met.fault().clone());
        match (&fault, &met) {
            (Some(Fault::Answer(refusal)), _) => return Ok(answer::refuse(refusal)),
            (Some(Fault::CutBefore), _) => return Err(Cut),
            (Some(Fault::Delay(time)), _) => tokio::time::sleep(*time).await,
            (Some(Fault::Hold), Some(met)) => met.hold().await,
            _ => {}
        }
        let answer = self.forward(request, upstream).await?;
        if let (Some(Fault::HoldAnswer), Some(met)) = (&fault, &met) {
            met.hold().await;
        }
        self.rules.thawed().await;
        match fault {
            Some(Fault::CutAfter) => Err(Cut),
            Some(Fault::Rewrite(change)) => answer::rewrite(answer, &*change).await,
            fault @ Some(Fault::CutWatch { .. } | Fault::WatchError { .. } | Fault::Drop(_)) => {
                Ok(self.pass(answer, fault))
            }
            _ => Ok(self.pass(answer, None)),
        }
    }

    fn pass(
        &self,
        answer: hyper::Response<Incoming>,
        fault: Option<Fault>,
    ) -> hyper::Response<Answer> {
        let (mut head, body) = answer.into_parts();
        if fault.is_some() {
            answer::forget_length(&mut head.headers);
        }
        hyper::Response::from_parts(head, stream::pass(body, fault, &self.rules))
    }

    /// A connection serves one request at a time, so that to the API server does.
    async fn forward(
        &self,
        request: hyper::Request<Incoming>,
        upstream: &Mutex<Option<SendRequest<Incoming>>>,
    ) -> Result<hyper::Response<Incoming>, Cut> {
        let mut upstream = upstream.lock().await;
        let mut sender = match upstream.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        if sender.ready().await.is_err() {
            sender = self.connect().await?;
        }
        let answer = sender.send_request(request).await.map_err(|_| Cut)?;
        *upstream = Some(sender);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Incoming>, Cut> {
        let name = ServerName::from(self.upstream.ip());
        let socket = TcpStream::connect(self.upstream).await.map_err(|_| Cut)?;
        let socket = self
            .connector
            .connect(name, socket)
            .await
            .map_err(|_| Cut)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(|_| Cut)?;
        // Ends when the sender is dropped and its last answer is read or dropped.
        tokio::spawn(connection);
        Ok(sender)
    }
}
