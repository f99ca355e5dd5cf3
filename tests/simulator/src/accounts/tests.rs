use super::*;
use crate::account::Plan;

const RULES: BlockRules = BlockRules {
    messages_per_hour: Some(2),
    failed_logins: Some(2),
    rate_block: None,
};

fn accounts() -> Accounts {
    let account = Account::new("billing@example.com", "app").alias("invoices@example.com");
    Accounts::new(vec![account.two_factor("own")])
}

fn log_in(
    accounts: &mut Accounts,
    given: &Credentials,
    data_centre: DataCentre,
) -> Result<(), Refusal> {
    let verdict = accounts.judge_login(given, data_centre);
    accounts.count_login(given, Some(verdict.is_ok()), verdict, RULES);
    verdict
}

/// The block that refuses a mail at that time; a mail that none refuses is accepted.
fn send_at(accounts: &mut Accounts, seconds: u64) -> Option<Block> {
    let now = Duration::from_secs(seconds);
    let block = accounts.block_of("billing@example.com", now, RULES);
    if block.is_none() {
        accounts.accepted("billing@example.com", now);
    }
    block
}

fn given(username: &str, password: &str) -> Credentials {
    Credentials {
        authorisation: String::new(),
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

#[test]
fn only_the_own_address_with_the_app_password_logs_in() {
    let mut accounts = accounts();
    let rows = [
        ("billing@example.com", "app", Ok(())),
        ("BILLING@example.com", "app", Ok(())),
        (
            "billing@example.com",
            "own",
            Err(Refusal::AppPasswordNeeded),
        ),
        ("billing@example.com", "", Err(Refusal::WrongPassword)),
        ("billing@example.com", "app ", Err(Refusal::WrongPassword)),
        ("invoices@example.com", "app", Err(Refusal::AliasAsUsername)),
        ("nobody@example.com", "app", Err(Refusal::UnknownUser)),
    ];
    for (username, password, verdict) in rows {
        let given = given(username, password);
        let found = accounts.judge_login(&given, DataCentre::Us);
        accounts.count_login(&given, Some(found.is_ok()), found, BlockRules::default());
        assert_eq!(found, verdict, "{username} {password}");
    }
    let counts = accounts.logins()["billing@example.com"];
    assert_eq!((counts.ok, counts.refused, counts.total), (2, 3, 5));
}

#[test]
fn an_account_of_another_data_centre_and_one_without_smtp_are_refused() {
    let mut accounts = accounts();
    let good = given("billing@example.com", "app");
    let found = log_in(&mut accounts, &good, DataCentre::Eu);
    assert_eq!(found, Err(Refusal::OtherDataCentre));
    let update = AccountUpdate {
        plan: Some(Plan::WithoutSmtp),
        ..AccountUpdate::default()
    };
    accounts.put("billing@example.com", update);
    let found = log_in(&mut accounts, &good, DataCentre::Us);
    assert_eq!(found, Err(Refusal::WithoutSmtp));
}

#[test]
fn an_authorisation_identity_that_repeats_the_user_name_is_refused() {
    let mut given = given("billing@example.com", "app");
    given.authorisation.clone_from(&given.username);
    let found = log_in(&mut accounts(), &given, DataCentre::Us);
    assert_eq!(found, Err(Refusal::AuthorisationIdentity));
}

#[test]
fn failed_logins_in_a_row_block_the_account_until_it_is_unblocked() {
    let mut accounts = accounts();
    let (good, bad) = (
        given("billing@example.com", "app"),
        given("billing@example.com", "no"),
    );
    for (login, verdict) in [(&bad, false), (&good, true), (&bad, false), (&bad, false)] {
        assert_eq!(
            log_in(&mut accounts, login, DataCentre::Us).is_ok(),
            verdict
        );
    }
    assert_eq!(
        log_in(&mut accounts, &good, DataCentre::Us),
        Err(Refusal::Blocked)
    );
    let update = AccountUpdate {
        blocked: BlockChange::Unblock,
        ..AccountUpdate::default()
    };
    accounts.put("billing@example.com", update);
    assert!(log_in(&mut accounts, &bad, DataCentre::Us).is_err());
    assert!(log_in(&mut accounts, &good, DataCentre::Us).is_ok());
}

#[test]
fn the_third_mail_within_a_rolling_hour_blocks_and_later_ones_stay_blocked() {
    let mut accounts = accounts();
    assert_eq!(send_at(&mut accounts, 0), None);
    assert_eq!(send_at(&mut accounts, 3599), None);
    assert_eq!(
        send_at(&mut accounts, 3600),
        None,
        "the first has left the hour"
    );
    let block = Some(Block::UnusualActivity);
    assert_eq!(send_at(&mut accounts, 3601), block);
    let update = AccountUpdate {
        blocked: BlockChange::Unblock,
        ..AccountUpdate::default()
    };
    accounts.put("billing@example.com", update);
    for _ in 0..2 {
        assert_eq!(
            send_at(&mut accounts, 3601),
            None,
            "unblocked, it has a new hour"
        );
    }
    assert_eq!(send_at(&mut accounts, 3601), block);
    assert_eq!(
        send_at(&mut accounts, 36_000),
        block,
        "time alone does not unblock"
    );
}

#[test]
fn a_domain_alias_owns_every_address_of_the_domain_and_no_other() {
    let account = Account::new("emailapikey", "token").alias("@example.com");
    assert!(account.owns("any@Example.com"));
    assert!(!account.owns("any@sub.example.com"));
    assert!(!account.owns("any@notexample.com"));
}

#[test]
fn an_update_changes_only_what_it_names_and_null_unblocks() {
    let mut accounts = accounts();
    let update = |json: &str| serde_json::from_str::<AccountUpdate>(json).unwrap();
    let blocked = accounts.put(
        "billing@example.com",
        update(r#"{"blocked":"outgoing_blocked"}"#),
    );
    assert_eq!(blocked.blocked, Some(Block::OutgoingBlocked));
    let renamed = accounts.put(
        "billing@example.com",
        update(r#"{"aliases":["a@example.com"]}"#),
    );
    assert_eq!(renamed.blocked, Some(Block::OutgoingBlocked));
    assert_eq!(renamed.app_password.as_deref(), Some("app"));
    let free = accounts.put("billing@example.com", update(r#"{"blocked":null}"#));
    assert_eq!((free.blocked, free.aliases.len()), (None, 1));
}
