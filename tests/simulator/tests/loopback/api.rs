//! The HTTP API, by raw requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zoho_simulator::{Action, Fault, Running, Stage};

use crate::client::{ADDRESS, AUTH, CONTENT, Client, Left, options, start, within};

/// Status and body.
async fn call(running: &Running, request: &str, body: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(running.api().unwrap()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(tcp.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

async fn get(running: &Running, path: &str) -> Value {
    let (status, body) = call(running, &format!("GET {path}"), "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn mails_can_be_listed_read_and_forgotten() {
    let running = start(options()).await;
    let mut client = Client::logged_in(&running).await;
    client.mail(&CONTENT.replace("body", "..body")).await;
    let mails = get(&running, "/mails").await;
    assert_eq!(mails[0]["reverse_path"], ADDRESS);
    assert_eq!(mails[0]["recipients"], json!(["you@example.net"]));
    assert_eq!(mails[0]["size_bytes"], CONTENT.len() + 1);
    assert_eq!(get(&running, "/mails/1").await["login"], ADDRESS);
    let raw = call(&running, "GET /mails/1/raw", "").await;
    assert_eq!(raw, (200, CONTENT.replace("body", ".body")));
    let wire = call(&running, "GET /mails/1/wire", "").await;
    assert_eq!(wire, (200, CONTENT.replace("body", "..body")));
    assert_eq!(call(&running, "DELETE /mails", "").await.0, 204);
    assert_eq!(get(&running, "/mails").await, json!([]));
    client.mail(CONTENT).await;
    assert_eq!(
        get(&running, "/mails").await[0]["id"],
        2,
        "numbers are not used again"
    );
}

#[tokio::test]
async fn lists_can_be_narrowed_to_a_login_and_show_contents() {
    let running = start(options()).await;
    let mut client = Client::logged_in(&running).await;
    client.mail(CONTENT).await;
    Client::tls(&running).await.reply().await;
    let own = get(&running, "/mails?login=BILLING@example.com&content=true").await;
    assert_eq!(own[0]["content"], STANDARD.encode(CONTENT));
    let without = get(&running, &format!("/mails?login={ADDRESS}")).await;
    assert_eq!(without[0].get("content"), None);
    let others = get(&running, "/mails?login=nobody@example.com").await;
    assert_eq!(others, json!([]));
    let connections = |value: Value| value.as_array().unwrap().len();
    assert_eq!(connections(get(&running, "/connections").await), 2);
    let path = format!("/connections?login={ADDRESS}");
    assert_eq!(connections(get(&running, &path).await), 1);
    let (status, _) = call(&running, "GET /mails?account=a", "").await;
    assert_eq!(status, 400, "a filter that is none is refused");
}

#[tokio::test]
async fn an_account_can_have_two_app_passwords_and_lose_the_first() {
    let running = start(options()).await;
    let path = format!("PUT /accounts/{ADDRESS}");
    let (status, body) = call(&running, &path, r#"{"further_app_passwords":["next"]}"#).await;
    assert_eq!(status, 200);
    assert!(!body.contains("next"), "{body}");
    // `\0billing@example.com\0next` and `…\0app`.
    let next = "AUTH PLAIN AGJpbGxpbmdAZXhhbXBsZS5jb20AbmV4dA==\r\n";
    for auth in [AUTH, next] {
        assert!(log_in(&running, auth).await.starts_with("235 "));
    }
    let rotated = r#"{"app_password":"next","further_app_passwords":[]}"#;
    call(&running, &path, rotated).await;
    assert!(log_in(&running, AUTH).await.starts_with("535 "));
    assert!(log_in(&running, next).await.starts_with("235 "));
}

async fn log_in(running: &Running, auth: &str) -> String {
    let mut client = Client::tls(running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    client.ask(auth).await
}

#[tokio::test]
async fn accounts_can_be_made_changed_and_blocked_and_never_show_a_password() {
    let running = start(zoho_simulator::Options::default()).await;
    let path = format!("PUT /accounts/{ADDRESS}");
    let (status, body) = call(&running, &path, r#"{"app_password":"app"}"#).await;
    assert_eq!(status, 200);
    assert!(!body.contains("app\""), "{body}");
    let mut client = Client::logged_in(&running).await;
    assert!(client.mail(CONTENT).await.starts_with("250 "));
    call(&running, &path, r#"{"blocked":"outgoing_blocked"}"#).await;
    assert_eq!(
        client.mail(CONTENT).await,
        "554 5.1.8 Email Outgoing Blocked\r\n"
    );
    assert_eq!(
        get(&running, "/accounts").await[0]["blocked"],
        "outgoing_blocked"
    );
    call(&running, &path, r#"{"blocked":null}"#).await;
    assert!(client.mail(CONTENT).await.starts_with("250 "));
    assert_eq!(
        call(&running, &format!("DELETE /accounts/{ADDRESS}"), "")
            .await
            .0,
        204
    );
    assert_eq!(get(&running, "/accounts").await, json!([]));
}

#[tokio::test]
async fn logins_and_connections_are_told() {
    let running = start(options()).await;
    let mut client = Client::tls(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    client
        .ask("AUTH PLAIN AGJpbGxpbmdAZXhhbXBsZS5jb20AYQ==\r\n")
        .await;
    client.ask(AUTH).await;
    let logins = get(&running, "/logins").await;
    let expected = json!({"ok": 1, "refused": 1, "total": 2, "last_refusal": "wrong_password"});
    assert_eq!(logins[ADDRESS], expected);
    let connections = get(&running, "/connections").await;
    assert_eq!(connections[0]["port"], "implicit_tls");
    assert_eq!(connections[0]["server_name"], "localhost");
    assert_eq!(connections[0]["auth_in_clear"], false);
    let last = connections[0]["transcript"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last, "S: 235 Authentication Successful");
}

#[tokio::test]
async fn faults_armed_over_the_api_are_those_of_the_library() {
    let running = start(options()).await;
    let fault = r#"{"at":"mail","action":{"reply":"451 later\r\n"},"times":1}"#;
    let (status, body) = call(&running, "POST /faults", fault).await;
    assert_eq!((status, body.as_str()), (201, r#"{"id":1}"#));
    let expected = Fault::new(Stage::Mail, Action::Reply("451 later\r\n".into())).times(1);
    assert_eq!(running.faults()[0].fault, expected);
    let bytes = r#"{"at":"greeting","action":{"reply":[255,0]}}"#;
    call(&running, "POST /faults", bytes).await;
    assert_eq!(
        running.faults()[1].fault.action,
        Action::Reply(vec![255, 0].into())
    );
    assert_eq!(
        get(&running, "/faults").await[1]["action"]["reply"],
        json!([255, 0])
    );
    assert_eq!(call(&running, "DELETE /faults/2", "").await.0, 204);
    assert_eq!(get(&running, "/faults").await[0]["fired"], 0);
    assert_eq!(call(&running, "DELETE /faults", "").await.0, 204);
    assert!(running.faults().is_empty());
}

#[tokio::test]
async fn every_action_can_be_written_in_json() {
    let running = start(options()).await;
    let rows = [
        r#"{"at":"ehlo","action":{"reply_then_close":"421 x\r\n"}}"#,
        r#"{"at":"auth","action":{"half_reply":{"text":"23","then":"stall"}},"account":"a@b"}"#,
        r#"{"at":"connect","action":"stall"}"#,
        r#"{"at":"content","action":"stop_reading","after_bytes":100000}"#,
        r#"{"at":"rcpt","action":"reset","nth":2,"recipient":"a@b"}"#,
        r#"{"at":"data","action":"close"}"#,
        r#"{"at":"greeting","action":"garbage"}"#,
        r#"{"at":"end_of_data","action":{"accept_then":"reset"}}"#,
        r#"{"at":"content","action":{"early_reply":"550 no\r\n"}}"#,
        r#"{"at":"end_of_data","action":{"extra_reply":"250 x\r\n"}}"#,
        r#"{"at":"idle","action":{"reply":"250 x\r\n"}}"#,
        r#"{"at":"mail","action":{"delay":{"ms":10}}}"#,
        r#"{"at":"ehlo","action":"split_reply"}"#,
        r#"{"at":"starttls","action":{"inject_after_start_tls":{"text":"250 x\r\n","late":true}}}"#,
        r#"{"at":"ehlo","action":{"endless_reply":"lines"}}"#,
        r#"{"at":"tls","action":"refuse_handshake"}"#,
        r#"{"at":"tls","action":{"certificate":"unknown-root"}}"#,
    ];
    for row in rows {
        let (status, body) = call(&running, "POST /faults", row).await;
        assert_eq!(status, 201, "{row}: {body}");
    }
}

#[tokio::test]
async fn the_clock_moves_the_banner_and_idle_connections_get_421() {
    let running = start(options()).await;
    let mut client = Client::logged_in(&running).await;
    let (status, _) = call(&running, "POST /clock", r#"{"advance_seconds":86400}"#).await;
    assert_eq!(status, 200);
    let banner = Client::clear(&running).await.reply().await;
    assert!(banner.contains("April 19, 2024 6:40:27 AM PDT"), "{banner}");
    let (_, body) = call(&running, "POST /idle", "").await;
    assert!(body.starts_with(r#"{"connections":[1"#), "{body}");
    let (text, left) = client.rest().await;
    assert!(text.starts_with(b"421 "));
    assert_eq!(left, Left::Closed);
    assert_eq!(
        call(&running, "POST /idle", r#""split_reply""#).await.0,
        400
    );
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let running = start(options()).await;
    let rows = [
        ("GET /mails/7", "", 404, "GET /mails lists them"),
        ("GET /mail", "", 404, "use one of /healthz"),
        ("POST /faults", "{}", 400, "send JSON such as"),
        (
            "POST /faults",
            r#"{"at":"mail","action":"reset","time":1}"#,
            400,
            "unknown field `time`",
        ),
        ("POST /clock", "1h", 400, "advance_seconds"),
        (
            "PUT /accounts/a@b",
            r#"{"password_":"x"}"#,
            400,
            "unknown field",
        ),
        ("DELETE /accounts/a@b", "", 404, "GET /accounts lists them"),
        ("DELETE /faults/3", "", 404, "GET /faults lists them"),
    ];
    for (request, body, status, text) in rows {
        let (found, answer) = call(&running, request, body).await;
        assert_eq!(found, status, "{request}: {answer}");
        assert!(answer.contains(text), "{request}: {answer}");
    }
    assert_eq!(
        call(&running, "GET /healthz", "").await,
        (200, "ok\n".to_owned())
    );
    assert_eq!(
        call(&running, "GET /ca.pem", "").await,
        (200, running.ca_pem().to_owned())
    );
}
