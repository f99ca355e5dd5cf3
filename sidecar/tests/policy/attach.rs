//! A foreign mail as an attachment.

use zohorelay_config::ForeignFrom::Attach;

use super::*;

const ORIGINAL: &str = "DKIM-Signature: h=from:bcc; b=x\r\n\
                        From: Alice (x) <alice@x.example>\r\n\
                        Sender: alice@x.example\r\n\
                        To: b@x.example,\r\n c@x.example\r\n\
                        Cc : d@x.example\r\n\
                        Bcc: e@x.example\r\n\
                        Subject: Caf\u{e9}\r\n\
                        Date: Mon, 23 Nov 2026 09:00:00 +0100\r\n\
                        Message-ID: <original@x.example>\r\n\
                        \r\n\
                        .body\r\n";

#[test]
fn the_original_is_attached_byte_for_byte_but_for_blind_copies() {
    let boundary = "zohorelay-0000000000000000000000000000abcd";
    let expected = format!(
        "From: \"Example Billing\" <billing@example.com>\r\n\
         Reply-To: \"Alice\" <alice@x.example>\r\n\
         {MESSAGE_ID}\
         To: b@x.example,\r\n c@x.example\r\n\
         Cc : d@x.example\r\n\
         Subject: Caf\u{e9}\r\n\
         Date: Mon, 23 Nov 2026 09:00:00 +0100\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         The attached mail is from alice@x.example.\r\n\
         --{boundary}\r\n\
         Content-Type: message/rfc822\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         Content-Disposition: attachment\r\n\
         \r\n\
         {}\
         \r\n--{boundary}--\r\n",
        ORIGINAL.replace("Bcc: e@x.example\r\n", "")
    );
    assert_eq!(sent(Attach, ORIGINAL), expected);
}

#[test]
fn both_message_ids_are_known_and_the_body_is_not_copied() {
    let prepared = judged(&document(Attach), &arrival(), ORIGINAL.as_bytes()).unwrap();
    assert_eq!(
        prepared.message_id,
        "0000000000000000000000000000abcd@example.com"
    );
    assert_eq!(
        prepared.original_message_id.as_deref(),
        Some("original@x.example")
    );
    assert_eq!(prepared.applied, Some(Attach));
    assert!(ORIGINAL[prepared.body_from..].ends_with("\r\n\r\n.body\r\n"));
    assert!(!prepared.head.ends_with(b".body\r\n"));
}

#[test]
fn eight_bit_content_is_declared_and_not_encoded() {
    let arrival = Arrival {
        eight_bit: true,
        ..arrival()
    };
    let prepared = judged(&document(Attach), &arrival, ORIGINAL.as_bytes()).unwrap();
    let head = String::from_utf8(prepared.head).unwrap();
    assert_eq!(
        head.matches("Content-Transfer-Encoding: 8bit\r\n").count(),
        2
    );
}

#[test]
fn a_mail_with_little_gets_what_is_required() {
    let original = "From: a@x.example, B <b@x.example>\r\nno field\r\n";
    let sent = sent(Attach, original);
    let top = format!(
        "From: \"Example Billing\" <billing@example.com>\r\n\
         Reply-To: <a@x.example>,\r\n \"B\" <b@x.example>\r\n{MESSAGE_ID}{DATE}MIME-Version: 1.0\r\n"
    );
    assert!(sent.starts_with(&top), "{sent}");
    assert!(sent.contains("\r\n\r\nThe attached mail does not name one sender.\r\n--zoho"));
    assert!(sent.contains(&format!("attachment\r\n\r\n{original}\r\n--zoho")));
    let prepared = judged(&document(Attach), &arrival(), original.as_bytes()).unwrap();
    assert_eq!(prepared.original_message_id, None);
}
