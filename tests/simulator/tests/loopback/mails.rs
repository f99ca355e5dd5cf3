//! What happens to a mail: the sender, sizes, blocks, and what is kept (`docs/zoho.md R1` to R17).

use std::sync::Arc;

use zoho_simulator::{Block, DataCentre, MessagePolicy, Options, Refusal, Wording};

use crate::client::{
    ADDRESS, AUTH, CONTENT, Client, Left, MAIL, RCPT, connect_tls, options, start, trusting, within,
};

const ACCEPTED: &str = "250 Message received\r\n";

#[tokio::test]
async fn a_mail_is_kept_as_it_came_and_as_it_was_meant() {
    let running = start(options()).await;
    let mut client = Client::logged_in(&running).await;
    let content = "From: billing@example.com\r\n\r\n..dot\r\na\rb\nc\r\n";
    client
        .ask("MAIL FROM:<invoices@example.com> SIZE=99\r\n")
        .await;
    client.ask("RCPT TO:<a@b>\r\n").await;
    client.ask("RCPT TO:<postmaster>\r\n").await;
    client.ask("DATA\r\n").await;
    assert_eq!(client.ask(&format!("{content}.\r\n")).await, ACCEPTED);
    within(running.wait_until(|running| running.mails()[0].answered)).await;
    let mail = running.mails().remove(0);
    assert_eq!(&*mail.wire, content.as_bytes());
    assert_eq!(&*mail.content, content.replace("..dot", ".dot").as_bytes());
    assert_eq!(mail.size_bytes, content.len() as u64 - 1);
    assert_eq!(
        (mail.defects.bare_cr, mail.defects.bare_lf, mail.defects.nul),
        (1, 1, 0)
    );
    assert_eq!(
        (mail.id, mail.connection, mail.login.as_str()),
        (1, 1, ADDRESS)
    );
    assert_eq!(mail.reverse_path, "invoices@example.com");
    assert_eq!(mail.recipients, ["a@b", "postmaster"]);
    assert_eq!(mail.parameters, ["SIZE=99"]);
    assert_eq!(running.connections()[0].mails, 1);
}

#[tokio::test]
async fn a_second_mail_hidden_behind_a_lone_lf_is_content_of_the_first() {
    let running = start(options()).await;
    let mut client = Client::logged_in(&running).await;
    let smuggled = format!("{CONTENT}\n.\r\n{MAIL}{RCPT}DATA\r\n{CONTENT}");
    assert_eq!(client.mail(&smuggled).await, ACCEPTED);
    assert_eq!(client.ask("NOOP\r\n").await, "250 OK\r\n");
    assert_eq!(running.mails().len(), 1);
    assert_eq!(&*running.mails()[0].wire, smuggled.as_bytes());
}

#[tokio::test]
async fn a_foreign_sender_is_denied_at_the_dot_in_both_wordings_and_the_connection_closes() {
    let texts = [
        (
            Wording::New,
            "553 Sender is not allowed to relay emails\r\n",
        ),
        (
            Wording::Old,
            "553 Relaying disallowed as root@example.org (fcron)\r\n",
        ),
    ];
    for (wording, text) in texts {
        let running = start(Options {
            wording,
            ..options()
        })
        .await;
        let mut client = Client::logged_in(&running).await;
        assert_eq!(
            client
                .mail("From: root@example.org (fcron)\r\n\r\nx\r\n")
                .await,
            text
        );
        assert_eq!(client.rest().await, (Vec::new(), Left::Closed));
        assert!(running.mails().is_empty());
    }
    let running = start(Options {
        close_after_refusal: false,
        ..options()
    })
    .await;
    let mut client = Client::logged_in(&running).await;
    assert!(
        client
            .mail("From: root@example.org\r\n\r\nx\r\n")
            .await
            .starts_with("553 ")
    );
    assert_eq!(
        client.mail(CONTENT).await,
        ACCEPTED,
        "the option keeps it open"
    );
}

#[tokio::test]
async fn a_foreign_envelope_sender_passes_mail_and_is_denied_at_the_dot() {
    let running = start(Options {
        wording: Wording::Old,
        ..options()
    })
    .await;
    let mut client = Client::logged_in(&running).await;
    let mail = client.ask("MAIL FROM:<bounce@example.org>\r\n").await;
    assert_eq!(mail, "250 Sender <bounce@example.org> OK\r\n");
    client.ask(RCPT).await;
    client.ask("DATA\r\n").await;
    let reply = client.ask(&format!("{CONTENT}.\r\n")).await;
    assert_eq!(reply, "553 Relaying disallowed as bounce@example.org\r\n");
}

#[tokio::test]
async fn size_is_held_against_the_declaration_and_against_the_content() {
    let running = start(Options {
        size_limit_bytes: 1000,
        ..options()
    })
    .await;
    let mut client = Client::logged_in(&running).await;
    let too_large = "552 5.2.0 Email size exceeded the policy.\r\n";
    let declared = client
        .ask("MAIL FROM:<billing@example.com> SIZE=1001\r\n")
        .await;
    assert_eq!(declared, too_large);
    let filler = format!("{}\r\n", "x".repeat(1000 - CONTENT.len() - 2));
    assert_eq!(client.mail(&format!("{CONTENT}{filler}")).await, ACCEPTED);
    assert_eq!(client.mail(&format!("{CONTENT}x{filler}")).await, too_large);
    assert_eq!(running.mails().len(), 1);
}

#[tokio::test]
async fn too_many_mails_in_an_hour_block_the_account_until_it_is_unblocked() {
    let running = start(Options {
        messages_per_hour: Some(2),
        ..options()
    })
    .await;
    let mut client = Client::logged_in(&running).await;
    let blocked = "550 5.4.6 Unusual sending activity detected. Please try after sometime.\r\n";
    for reply in [ACCEPTED, ACCEPTED, blocked, blocked] {
        assert_eq!(client.mail(CONTENT).await, reply);
    }
    running.advance(3600);
    assert_eq!(
        client.mail(CONTENT).await,
        blocked,
        "time alone does not unblock"
    );
    running.unblock(ADDRESS);
    for _ in 0..2 {
        assert_eq!(client.mail(CONTENT).await, ACCEPTED);
        running.advance(3600);
    }
    assert_eq!(
        client.mail(CONTENT).await,
        ACCEPTED,
        "one an hour is slow enough"
    );
}

#[tokio::test]
async fn each_block_says_its_own_reply_at_its_own_step() {
    let running = start(options()).await;
    let mut client = Client::logged_in(&running).await;
    let rows = [
        (
            Block::UnusualActivity,
            "550 5.4.6 Unusual sending activity detected.",
        ),
        (
            Block::UnusualActivityHtml,
            "550 5.4.6 Unusual sending activity detected.",
        ),
        (Block::OutgoingBlocked, "554 5.1.8 Email Outgoing Blocked"),
        (
            Block::SenderAddressBlocked,
            "554 5.1.8 Sender Address Blocked",
        ),
    ];
    for (block, text) in rows {
        let blocked = zoho_simulator::BlockChange::Set(block);
        let update = zoho_simulator::AccountUpdate {
            blocked,
            ..Default::default()
        };
        running.put_account(ADDRESS, update);
        let reply = client.mail(CONTENT).await;
        assert!(reply.starts_with(text), "{reply}");
        assert_eq!(
            reply.contains("<a href="),
            block == Block::UnusualActivityHtml
        );
    }
    let mut client = Client::tls(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    assert_eq!(
        client.ask(AUTH).await,
        "554 5.1.8 Sender Address Blocked\r\n"
    );
}

#[tokio::test]
async fn too_many_failed_logins_block_the_right_password_too() {
    let running = start(Options {
        failed_logins: Some(2),
        ..options()
    })
    .await;
    let mut client = Client::tls(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    for _ in 0..2 {
        let wrong = "AUTH PLAIN AGJpbGxpbmdAZXhhbXBsZS5jb20AYQ==\r\n";
        assert_eq!(client.ask(wrong).await, "535 Authentication Failed\r\n");
    }
    assert_eq!(
        client.ask(AUTH).await,
        "554 5.1.8 Sender Address Blocked\r\n"
    );
    running.unblock(ADDRESS);
    assert_eq!(client.ask(AUTH).await, "235 Authentication Successful\r\n");
}

#[tokio::test]
async fn an_account_is_at_home_in_one_data_centre_which_the_host_name_chooses() {
    let running = start(options()).await;
    let rows = [
        ("smtppro.zoho.com", "235 ", None),
        ("smtppro.zoho.eu", "535 ", Some(Refusal::OtherDataCentre)),
        ("smtp.zoho.com.au", "535 ", Some(Refusal::OtherDataCentre)),
        ("localhost", "235 ", Some(Refusal::OtherDataCentre)),
    ];
    let config = trusting(&running);
    for (name, code, last_refusal) in rows {
        let address = running.implicit_tls().unwrap();
        let mut client = connect_tls(Arc::clone(&config), address, name)
            .await
            .unwrap();
        client.reply().await;
        client.ask("EHLO a\r\n").await;
        assert!(client.ask(AUTH).await.starts_with(code), "{name}");
        assert_eq!(running.logins(ADDRESS).last_refusal, last_refusal);
    }
    let running = start(Options {
        data_centre: DataCentre::Eu,
        ..options()
    })
    .await;
    let mut client = Client::tls(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    assert_eq!(client.ask(AUTH).await, "535 Authentication Failed\r\n");
}

#[tokio::test]
async fn a_message_policy_refuses_only_when_it_is_on() {
    let no_subject = "From: billing@example.com\r\n\r\nx\r\n";
    let running = start(options()).await;
    assert_eq!(
        Client::logged_in(&running).await.mail(no_subject).await,
        ACCEPTED
    );
    let running = start(Options {
        policies: vec![MessagePolicy::Subject],
        ..options()
    })
    .await;
    let mut client = Client::logged_in(&running).await;
    assert_eq!(
        client.mail(no_subject).await,
        "554 5.2.1 Subject is Mandatory.\r\n"
    );
    assert_eq!(client.mail(CONTENT).await, ACCEPTED);
}

#[tokio::test]
async fn idle_connections_get_421_and_those_in_a_transaction_do_not() {
    let running = start(options()).await;
    let mut busy = Client::logged_in(&running).await;
    busy.ask(MAIL).await;
    let mut idle = Client::logged_in(&running).await;
    idle.mail(CONTENT).await;
    assert_eq!(running.close_idle(), [2]);
    let (text, left) = idle.rest().await;
    assert!(text.starts_with(b"421 "), "{text:?}");
    assert_eq!(left, Left::Closed);
    assert!(busy.ask(RCPT).await.starts_with("250 "));
}
