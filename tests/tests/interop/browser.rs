//! A headless Chromium, spoken to over its pipe in the `DevTools` protocol: JSON, a NUL after each.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Only ever waited out by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// One tab; killed when dropped.
pub(crate) struct Browser {
    _child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    session: Option<String>,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with an empty tab. It reads commands on descriptor 3 and answers on 4.
    pub(crate) async fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>&2"])
            .arg(program)
            .args(["--headless", "--remote-debugging-pipe", "--no-first-run"])
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-extensions"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut browser = Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()),
            _child: child,
            calls: 0,
            session: None,
            events: Vec::new(),
            _profile: profile,
        };
        let blank = json!({"url": "about:blank"});
        let tab = browser.call("Target.createTarget", blank).await["targetId"].clone();
        let attach = json!({"targetId": tab, "flatten": true});
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        let on = json!({"enabled": true});
        browser.call("Page.setLifecycleEventsEnabled", on).await;
        browser
    }

    /// A command, and what it gives.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut command = json!({"id": self.calls, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let bytes = [command.to_string().as_bytes(), b"\0"].concat();
        self.to.write_all(&bytes).await.unwrap();
        loop {
            let mut message = self.message().await;
            if message["id"] == self.calls {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    async fn message(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = self.from.read_until(0, &mut bytes);
        let count = tokio::time::timeout(PATIENCE, read).await;
        assert_ne!(count.expect("Chromium answers").unwrap(), 0, "it ended");
        bytes.pop();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens a page and waits until it is there.
    pub(crate) async fn open(&mut self, url: &str) {
        self.events.clear();
        let loader = self.call("Page.navigate", json!({"url": url})).await["loaderId"].take();
        while !self.has_loaded(&loader) {
            let event = self.message().await;
            self.events.push(event);
        }
    }

    /// Waits until a page at this address, which somebody in the tab asked for, is there.
    pub(crate) async fn loaded(&mut self, url: &str) {
        let has_come = |events: &[Value]| {
            let asked = events.iter().find_map(|event| {
                let params = &event["params"];
                (params["documentURL"] == url && params["type"] == "Document")
                    .then(|| params["loaderId"].clone())
            });
            asked.is_some_and(|loader| {
                let is_load = |it: &Value| it["loaderId"] == loader && it["name"] == "load";
                events.iter().any(|event| is_load(&event["params"]))
            })
        };
        while !has_come(&self.events) {
            let event = self.message().await;
            self.events.push(event);
        }
    }

    fn has_loaded(&self, loader: &Value) -> bool {
        let is_load = |params: &Value| params["loaderId"] == *loader && params["name"] == "load";
        self.events.iter().any(|event| is_load(&event["params"]))
    }

    /// What an expression gives, after its promise.
    pub(crate) async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", params).await;
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].take()
    }

    /// Screen and theme of the pages from now on.
    pub(crate) async fn look(&mut self, width: u32, theme: &str) {
        let screen =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", screen)
            .await;
        let theme = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        self.call("Emulation.setEmulatedMedia", theme).await;
    }

    /// Writes the whole page as PNG.
    pub(crate) async fn screenshot(&mut self, path: &Path) {
        let whole = json!({"captureBeyondViewport": true});
        let shot = self.call("Page.captureScreenshot", whole).await;
        let png = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, png).unwrap();
    }

    /// What stood in the console, what was thrown, and what was asked for from elsewhere than `origin`,
    /// since the page was opened.
    pub(crate) fn complaints(&self, origin: &str) -> Vec<String> {
        let is_complaint = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => true,
            Some("Network.requestWillBeSent") => {
                let url = event["params"]["request"]["url"].as_str().unwrap();
                !url.starts_with(origin) && !url.starts_with("data:")
            }
            _ => false,
        };
        let complaints = self.events.iter().filter(is_complaint);
        complaints.map(ToString::to_string).collect()
    }

    /// Role and name of each node of the accessibility tree.
    pub(crate) async fn names(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let seen = nodes.filter(|node| node["ignored"] == false);
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        seen.map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }
}
