use super::*;
use crate::fixtures::page;

#[test]
fn every_series_of_an_identity_exists_before_its_first_mail() {
    let metrics = Metrics::new("1").unwrap();
    let _identity = metrics.identity("billing");
    let page = page(&metrics);
    for class in Class::ALL {
        for origin in ["local", "upstream"] {
            let line = format!(
                "zohorelay_sidecar_failures_total{{class=\"{class}\",identity=\"billing\",origin=\"{origin}\"}} 0"
            );
            assert!(page.contains(&line), "{line}");
        }
    }
    assert!(page.contains("breaker_open{identity=\"billing\",reason=\"hold\"} 0"));
}

#[test]
fn label_arrays_stand_in_the_order_of_their_enums() {
    for (at, result) in LoginResult::ALL.into_iter().enumerate() {
        assert_eq!(result as usize, at);
    }
    for (at, result) in LateReply::ALL.into_iter().enumerate() {
        assert_eq!(result as usize, at);
    }
    for (at, result) in Reload::ALL.into_iter().enumerate() {
        assert_eq!(result as usize, at);
    }
    for (at, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, at);
    }
}
