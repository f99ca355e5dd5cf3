//! The HTTP API: the operations of [`crate::Running`] for users of other languages.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, get, post, put};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::account::AccountUpdate;
use crate::action::Action;
use crate::fault::Fault;
use crate::store::Mail;
use crate::world::World;

type Shared = State<Arc<World>>;

/// An error: what is wrong, and what to do.
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>, stop: CancellationToken) {
    // Listening goes on until `stop`; errors are those of single connections.
    let _ = axum::serve(listener, router(world))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
}

fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/ca.pem", get(ca_pem))
        .route("/mails", get(mails).delete(clear_mails))
        .route("/mails/{id}", get(mail))
        .route("/mails/{id}/raw", get(raw))
        .route("/mails/{id}/wire", get(wire))
        .route("/accounts", get(accounts))
        .route(
            "/accounts/{address}",
            put(put_account).delete(delete_account),
        )
        .route("/logins", get(logins))
        .route("/connections", get(connections))
        .route("/faults", get(faults).post(arm).delete(clear_faults))
        .route("/faults/{id}", delete(disarm))
        .route("/clock", post(advance))
        .route("/idle", post(idle))
        .fallback(no_such_path)
        .with_state(world)
}

async fn no_such_path() -> Problem {
    let paths = "/healthz /ca.pem /mails /mails/{id} /mails/{id}/raw /mails/{id}/wire /accounts \
        /accounts/{address} /logins /connections /faults /faults/{id} /clock /idle";
    Problem(
        StatusCode::NOT_FOUND,
        format!("no such path: use one of {paths}"),
    )
}

/// A JSON body; `example` shows what to send.
fn parse<T: DeserializeOwned>(body: &Bytes, example: &str) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let text = format!("cannot read the body: {error}; send JSON such as {example}");
        Problem(StatusCode::BAD_REQUEST, text)
    })
}

async fn ca_pem(State(world): Shared) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-pem-file")];
    (kind, world.authority.ca_pem().to_owned()).into_response()
}

/// What a list is narrowed to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Narrow {
    /// Only what this login did.
    login: Option<String>,
    /// Mails with their content, in base64.
    #[serde(default)]
    content: bool,
}

impl Narrow {
    fn admits(&self, login: Option<&str>) -> bool {
        let is_same = |wanted: &str| login.is_some_and(|login| login.eq_ignore_ascii_case(wanted));
        self.login.as_deref().is_none_or(is_same)
    }
}

async fn mails(State(world): Shared, Query(narrow): Query<Narrow>) -> Json<Vec<Value>> {
    let mails = world.store.mails().into_iter();
    let admitted = mails.filter(|mail| narrow.admits(Some(&mail.login)));
    let row = |mail: Mail| {
        let mut row = json!(mail);
        if narrow.content {
            row["content"] = STANDARD.encode(&mail.content).into();
        }
        row
    };
    Json(admitted.map(row).collect())
}

async fn clear_mails(State(world): Shared) -> StatusCode {
    world.store.clear_mails();
    StatusCode::NO_CONTENT
}

fn find_mail(world: &World, id: u64) -> Result<Mail, Problem> {
    world.store.mail(id).ok_or_else(|| {
        let text = format!("no mail {id}: GET /mails lists them");
        Problem(StatusCode::NOT_FOUND, text)
    })
}

async fn mail(State(world): Shared, Path(id): Path<u64>) -> Result<Json<Mail>, Problem> {
    find_mail(&world, id).map(Json)
}

async fn raw(State(world): Shared, Path(id): Path<u64>) -> Result<Response, Problem> {
    let content = find_mail(&world, id)?.content;
    Ok(([(header::CONTENT_TYPE, "message/rfc822")], content.to_vec()).into_response())
}

async fn wire(State(world): Shared, Path(id): Path<u64>) -> Result<Response, Problem> {
    let bytes = find_mail(&world, id)?.wire;
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        bytes.to_vec(),
    )
        .into_response())
}

async fn accounts(State(world): Shared) -> Response {
    Json(world.accounts().list()).into_response()
}

async fn put_account(
    State(world): Shared,
    Path(address): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let update: AccountUpdate = parse(
        &body,
        r#"{"app_password":"secret","aliases":["a@example.com"],"blocked":"outgoing_blocked"}"#,
    )?;
    Ok(Json(world.accounts().put(&address, update)).into_response())
}

async fn delete_account(
    State(world): Shared,
    Path(address): Path<String>,
) -> Result<StatusCode, Problem> {
    if world.accounts().remove(&address) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let text = format!("no account {address}: GET /accounts lists them");
    Err(Problem(StatusCode::NOT_FOUND, text))
}

async fn logins(State(world): Shared) -> Response {
    Json(world.accounts().logins()).into_response()
}

async fn connections(State(world): Shared, Query(narrow): Query<Narrow>) -> Response {
    let mut connections = world.store.connections();
    connections.retain(|connection| narrow.admits(connection.login.as_deref()));
    Json(connections).into_response()
}

async fn faults(State(world): Shared) -> Response {
    Json(world.faults().list()).into_response()
}

async fn arm(State(world): Shared, body: Bytes) -> Result<Response, Problem> {
    let example = r#"{"at":"mail","action":{"reply":"451 try later\r\n"},"times":1}"#;
    let fault: Fault = parse(&body, example)?;
    let id = world
        .arm(fault)
        .map_err(|error| Problem(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response())
}

async fn clear_faults(State(world): Shared) -> StatusCode {
    world.faults().clear();
    StatusCode::NO_CONTENT
}

async fn disarm(State(world): Shared, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    if world.faults().disarm(id) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem(
        StatusCode::NOT_FOUND,
        format!("no fault {id}: GET /faults lists them"),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

async fn advance(State(world): Shared, body: Bytes) -> Result<Response, Problem> {
    let advance: Advance = parse(&body, r#"{"advance_seconds":3600}"#)?;
    let now = world.clock.advance(advance.advance_seconds).as_secs();
    Ok(Json(json!({ "seconds_since_start": now })).into_response())
}

/// Without a body: 421 and close.
async fn idle(State(world): Shared, body: Bytes) -> Result<Response, Problem> {
    let signalled = if body.is_empty() {
        world.close_idle()
    } else {
        let action: Action = parse(&body, r#"{"reply":"451 hello\r\n"} or "reset""#)?;
        world
            .signal_idle(action)
            .map_err(|error| Problem(StatusCode::BAD_REQUEST, error.to_string()))?
    };
    Ok(Json(json!({ "connections": signalled })).into_response())
}
