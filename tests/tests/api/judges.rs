//! The judges that others' tests ask.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use zohorelay_tests::judge::{Verdict, argocd_health, kstatus};

fn object(conditions: &Value) -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "generation": 1},
        "status": {"observedGeneration": 1, "conditions": conditions},
    })
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "Because", "message": "of this"})
}

fn statuses(verdicts: &[Verdict]) -> Vec<&str> {
    verdicts.iter().map(|it| it.status.as_str()).collect()
}

#[tokio::test]
async fn kstatus_tells_what_is_fine_from_what_goes_on_and_what_failed() {
    let objects = [
        object(&json!([condition("Ready", "True")])),
        object(&json!([
            condition("Ready", "False"),
            condition("Reconciling", "True")
        ])),
        object(&json!([
            condition("Ready", "False"),
            condition("Stalled", "True")
        ])),
    ];
    let verdicts = kstatus(&objects).await.unwrap();
    assert_eq!(statuses(&verdicts), ["Current", "InProgress", "Failed"]);
    assert_eq!(verdicts[2].message, "of this");
}

fn script(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("health.lua");
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[tokio::test]
async fn argo_cd_runs_a_script_on_each_object() {
    let (_folder, path) = script(
        r#"
        for _, condition in ipairs(obj.status.conditions) do
          if condition.type == "Ready" and condition.status == "True" then
            return {status = "Healthy", message = condition.message}
          end
        end
        return {status = "Degraded", message = obj.metadata.name}
        "#,
    );
    let objects = [
        object(&json!([condition("Ready", "True")])),
        object(&json!([condition("Ready", "False")])),
    ];
    let verdicts = argocd_health(&path, &objects).await.unwrap();
    assert_eq!(statuses(&verdicts), ["Healthy", "Degraded"]);
    assert_eq!(verdicts[0].message, "of this");
    assert_eq!(verdicts[1].message, "a");
}

#[tokio::test]
async fn argo_cd_gives_a_script_neither_files_nor_programs_nor_strings() {
    for text in [
        "return {status = os.execute('true')}",
        "io.open('/')",
        "string.len('a')",
    ] {
        let (_folder, path) = script(text);
        let error = argocd_health(&path, &[object(&json!([]))])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("attempt to index"), "{error}");
    }
    let (_folder, path) = script("return {status = 'Fine'}");
    let verdicts = argocd_health(&path, &[object(&json!([]))]).await.unwrap();
    assert_eq!(statuses(&verdicts), ["Unknown"]);
}
