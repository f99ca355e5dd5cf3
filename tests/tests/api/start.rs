//! Starts that cannot come to anything say so.

use zohorelay_cluster::shared;
use zohorelay_tests::operator::{Operator, Options};

#[tokio::test]
async fn an_operator_whose_own_namespace_is_not_there_names_it_and_the_flag() {
    let cluster = shared().await.unwrap();
    let options = Options::in_namespace(cluster, "no-such-namespace");
    let mut operator = Operator::start(cluster, options).await.unwrap();
    let told = operator
        .logged(|line| line["message"] == "the lease cannot be looked at")
        .await
        .unwrap();
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("\"no-such-namespace\" not found"), "{error}");
    assert!(error.contains("--operator-namespace"), "{error}");
}
