//! The mailer alone, against servers that help, refuse, stall and cheat.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flowkeep::platform::clock::Clock;
use flowkeep::platform::lifecycle::Lifecycle;
use flowkeep::platform::mail::{
    Importance, Mail, MailServer, MailTrouble, Mailer, MailerParts, Security,
};
use flowkeep::platform::outbound::{Outbound, Policy, SystemNames};
use mail_parser::{MessageParser, MimeHeaders};
use mailin::AuthMechanism;
use rcgen::generate_simple_self_signed;
use secrecy::SecretString;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::smtp::{Behaviour, Encryption, SECRET, SmtpServer, Stall, USER};

fn mailer_of(allow_private: bool, limit: Duration) -> Mailer {
    Mailer::new(MailerParts {
        outbound: Outbound::new(Arc::new(SystemNames), move || Policy { allow_private }),
        clock: Clock::manual("2026-03-01T12:00:00Z".parse().unwrap()),
        lifecycle: Lifecycle::new(Duration::from_secs(1)),
        limit,
    })
}

fn mailer() -> Mailer {
    mailer_of(true, Duration::from_secs(20))
}

fn at(server: &SmtpServer, security: Security, password: Option<&str>) -> MailServer {
    MailServer {
        host: "localhost".to_owned(),
        port: server.port(),
        security,
        is_verified: false,
        login: password.map(|password| (USER.to_owned(), SecretString::from(password))),
    }
}

fn mail() -> Mail {
    Mail {
        message_id: Uuid::from_u128(7),
        from: format!("Küche <{USER}>"),
        to: vec!["ann@example.org".to_owned()],
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: Some("help@example.org".to_owned()),
        subject: "Sicherung für n8n".to_owned(),
        text: "Grüße\n.\nEnde".to_owned(),
        html: Some("<p>Grüße</p>".to_owned()),
        importance: Importance::Usual,
    }
}

fn is_clean(trouble: &MailTrouble) {
    let said = format!("{trouble:?} {trouble}");
    for secret in [SECRET, "wrong word"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test]
async fn a_message_arrives_whole_over_every_kind_of_encryption_and_login() {
    for (encryption, security, login) in [
        (Encryption::None, Security::None, AuthMechanism::Plain),
        (
            Encryption::StartTls,
            Security::StartTls,
            AuthMechanism::Plain,
        ),
        (
            Encryption::StartTls,
            Security::StartTls,
            AuthMechanism::Login,
        ),
        (Encryption::Tls, Security::Tls, AuthMechanism::Plain),
        (Encryption::Tls, Security::Tls, AuthMechanism::Login),
    ] {
        let server = SmtpServer::start(Behaviour::new(encryption).login(login)).await;
        let asked = at(&server, security, Some(SECRET));
        let receipt = mailer().send(&asked, &mail()).await.unwrap();
        assert_eq!(receipt.response, "250 2.0.0 queued as 4711");
        assert!(receipt.refused.is_empty());
        let received = server.received().remove(0);
        assert_eq!(received.is_encrypted, encryption != Encryption::None);
        assert_eq!(received.login.as_deref(), Some(USER));
        assert_eq!(
            (received.from.as_str(), &received.to[..]),
            (USER, &["ann@example.org".to_owned()][..])
        );
        assert!(received.data.is_ascii());
        let parsed = MessageParser::default().parse(&received.data).unwrap();
        assert_eq!(parsed.subject(), Some("Sicherung für n8n"));
        assert_eq!(
            parsed.from().unwrap().first().unwrap().name(),
            Some("Küche")
        );
        assert_eq!(
            parsed.reply_to().unwrap().first().unwrap().address(),
            Some("help@example.org")
        );
        assert_eq!(
            parsed.body_text(0).unwrap().trim().replace("\r\n", "\n"),
            "Grüße\n.\nEnde"
        );
        assert_eq!(parsed.body_html(0).unwrap().trim(), "<p>Grüße</p>");
        assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-03-01T12:00:00Z");
        assert_eq!(
            parsed.message_id(),
            Some("00000000-0000-0000-0000-000000000007@example.org")
        );
        assert_eq!(
            parsed.header_raw("Auto-Submitted").map(str::trim),
            Some("auto-generated")
        );
        let kind = parsed.content_type().unwrap();
        assert_eq!(
            (kind.ctype(), kind.subtype()),
            ("multipart", Some("alternative"))
        );
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_repetition_has_the_same_id() {
    let behaviour = Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain);
    let server = SmtpServer::start(behaviour).await;
    let (mailer, asked) = (mailer(), at(&server, Security::StartTls, Some(SECRET)));
    mailer.check(&asked).await.unwrap();
    for _ in 0..3 {
        mailer.send(&asked, &mail()).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
    let ids: Vec<_> = server
        .received()
        .iter()
        .map(|one| {
            let parsed = MessageParser::default().parse(&one.data).unwrap();
            parsed.message_id().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]));
    // Another password is another connection: nobody rides on a login that is not theirs.
    let wrong = at(&server, Security::StartTls, Some("wrong word"));
    assert_eq!(
        mailer.send(&wrong, &mail()).await.unwrap_err().code,
        Some(535)
    );
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_named_with_its_remedy_and_never_shown() {
    for login in [AuthMechanism::Plain, AuthMechanism::Login] {
        let server = SmtpServer::start(Behaviour::new(Encryption::Tls).login(login)).await;
        let asked = at(&server, Security::Tls, Some("wrong word"));
        let trouble = mailer().check(&asked).await.unwrap_err();
        assert_eq!(
            (trouble.code, trouble.field, trouble.is_transient),
            (Some(535), Some("password"), false)
        );
        assert!(trouble.why.contains("app password"), "{trouble}");
        is_clean(&trouble);
    }
    let server = SmtpServer::start(Behaviour::new(Encryption::Tls)).await;
    let trouble = mailer()
        .check(&at(&server, Security::Tls, Some(SECRET)))
        .await
        .unwrap_err();
    assert_eq!(trouble.field, Some("username"));
    is_clean(&trouble);
}

#[tokio::test]
async fn what_is_to_be_encrypted_is_never_sent_in_the_clear() {
    let behaviour = Behaviour::new(Encryption::None).login(AuthMechanism::Plain);
    let server = SmtpServer::start(behaviour).await;
    let asked = at(&server, Security::StartTls, Some(SECRET));
    let trouble = mailer().send(&asked, &mail()).await.unwrap_err();
    assert_eq!(
        (trouble.field, trouble.is_transient),
        (Some("security"), false)
    );
    assert!(trouble.why.contains("STARTTLS"), "{trouble}");
    assert_eq!(server.shared.senders.load(Ordering::SeqCst), 0);
    assert_eq!(server.shared.passwords_in_clear.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn cve_2011_0411_answers_slipped_in_before_encryption_are_not_believed() {
    let behaviour = Behaviour {
        injected: Some(b"250-evil.example\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n"),
        ..Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain)
    };
    let server = SmtpServer::start(behaviour).await;
    let asked = at(&server, Security::StartTls, Some(SECRET));
    let trouble = mailer().send(&asked, &mail()).await.unwrap_err();
    assert!(trouble.why.contains("encrypting"), "{trouble}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    for (encryption, security) in [
        (Encryption::Tls, Security::Tls),
        (Encryption::StartTls, Security::StartTls),
    ] {
        let server =
            SmtpServer::start(Behaviour::new(encryption).login(AuthMechanism::Plain)).await;
        let asked = MailServer {
            is_verified: true,
            ..at(&server, security, Some(SECRET))
        };
        let trouble = mailer().send(&asked, &mail()).await.unwrap_err();
        assert!(
            trouble.why.contains("certificate of localhost"),
            "{trouble}"
        );
        assert_eq!(
            (trouble.field, trouble.is_transient),
            (Some("smtp_host"), false)
        );
        assert_eq!(server.shared.senders.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn with_the_check_off_a_certificate_of_another_name_does_and_with_it_on_the_remedy_is_named()
{
    for (encryption, security) in [
        (Encryption::Tls, Security::Tls),
        (Encryption::StartTls, Security::StartTls),
    ] {
        let made = generate_simple_self_signed(vec!["nas.example".to_owned()]).unwrap();
        let behaviour = Behaviour::new(encryption).login(AuthMechanism::Plain);
        let certificate = made.cert.der().clone();
        let server = SmtpServer::with_certificate(behaviour, certificate, &made.signing_key).await;
        let unchecked = at(&server, security, Some(SECRET));
        mailer().send(&unchecked, &mail()).await.unwrap();
        assert!(server.received()[0].is_encrypted);
        let checked = MailServer {
            is_verified: true,
            ..unchecked
        };
        let trouble = mailer().check(&checked).await.unwrap_err();
        assert!(trouble.why.contains("switch the check off"), "{trouble}");
    }
}

#[tokio::test]
async fn a_sender_or_a_message_that_is_refused_is_told_apart_and_tried_again_if_that_may_help() {
    let server = SmtpServer::start(Behaviour::new(Encryption::None)).await;
    let (mailer, asked) = (mailer(), at(&server, Security::None, None));
    for (code, is_transient, field) in [(451, true, None), (550, false, Some("from_email"))] {
        *server.shared.sender_answer.lock() = Some((code, "5.7.1 Not from you"));
        let trouble = mailer.send(&asked, &mail()).await.unwrap_err();
        assert_eq!(
            (trouble.code, trouble.is_transient, trouble.field),
            (Some(code), is_transient, field),
            "{trouble}"
        );
    }
    for (code, is_transient) in [(452, true), (554, false)] {
        *server.shared.content_answer.lock() = Some((code, "5.7.1 Looks like spam"));
        let trouble = mailer.send(&asked, &mail()).await.unwrap_err();
        assert_eq!(
            (trouble.code, trouble.is_transient, trouble.field),
            (Some(code), is_transient, None)
        );
        assert!(trouble.why.contains("Looks like spam"), "{trouble}");
    }
    assert!(server.received().is_empty());
    mailer.send(&asked, &mail()).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced() {
    let behaviour = Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain);
    let server = SmtpServer::start(behaviour).await;
    let (mailer, asked) = (mailer(), at(&server, Security::StartTls, Some(SECRET)));
    mailer.send(&asked, &mail()).await.unwrap();
    server.hang_up();
    mailer.send(&asked, &mail()).await.unwrap();
    assert_eq!((server.connections(), server.received().len()), (2, 2));
}

#[tokio::test]
async fn greylisting_passes_and_an_unknown_mailbox_stays_unknown() {
    let server = SmtpServer::start(Behaviour::new(Encryption::None)).await;
    let (mailer, asked) = (mailer(), at(&server, Security::None, None));
    server.refuse("ann@", 451, "4.7.1 Greylisted, try again later");
    let trouble = mailer.send(&asked, &mail()).await.unwrap_err();
    assert_eq!((trouble.code, trouble.is_transient), (Some(451), true));
    assert!(trouble.response.unwrap().contains("Greylisted"));
    mailer.send(&asked, &mail()).await.unwrap();
    assert_eq!(server.received().len(), 1);

    server.refuse("ann@", 550, "5.1.1 No such mailbox");
    let trouble = mailer.send(&asked, &mail()).await.unwrap_err();
    assert_eq!(
        (trouble.code, trouble.field, trouble.is_transient),
        (Some(550), Some("to"), false)
    );
}

#[tokio::test]
async fn one_mailbox_that_is_gone_does_not_keep_the_news_from_the_others() {
    let server = SmtpServer::start(Behaviour::new(Encryption::None)).await;
    server.refuse("gone@", 550, "5.1.1 No such mailbox");
    let mut mail = mail();
    mail.to.insert(0, "gone@example.org".to_owned());
    mail.bcc.push("unseen@example.org".to_owned());
    let receipt = mailer()
        .send(&at(&server, Security::None, None), &mail)
        .await
        .unwrap();
    assert_eq!(receipt.refused.len(), 1);
    assert_eq!(receipt.refused[0].0, "gone@example.org");
    assert_eq!(
        receipt.words(),
        "250 2.0.0 queued as 4711; refused: gone@example.org: 550 5.1.1 No such mailbox"
    );
    let received = server.received().remove(0);
    assert_eq!(received.to, ["ann@example.org", "unseen@example.org"]);
    assert!(!String::from_utf8(received.data).unwrap().contains("unseen"));
}

#[tokio::test]
async fn a_server_that_stalls_anywhere_is_left_in_time() {
    for (stall, words) in [
        (Stall::Greeting, "greeting"),
        (Stall::Login, "signing in"),
        (Stall::Recipient, "recipient"),
        (Stall::Data, "handing over"),
    ] {
        let behaviour = Behaviour::new(Encryption::None).login(AuthMechanism::Plain);
        let server = SmtpServer::start(behaviour.stall(stall)).await;
        let mailer = mailer_of(true, Duration::from_millis(600));
        let asked = at(&server, Security::None, Some(SECRET));
        let began = Instant::now();
        let trouble = mailer.send(&asked, &mail()).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(
            trouble.is_transient && trouble.why.contains(words),
            "{trouble}"
        );
        is_clean(&trouble);
        // Half an answer is in that connection: it is not used again.
        let _ = mailer.send(&asked, &mail()).await;
        assert_eq!(server.connections(), 2, "{stall:?}");
    }
    let behaviour = Behaviour::new(Encryption::StartTls).stall(Stall::Handshake);
    let server = SmtpServer::start(behaviour).await;
    let mailer = mailer_of(true, Duration::from_millis(600));
    let asked = at(&server, Security::StartTls, None);
    let trouble = mailer.send(&asked, &mail()).await.unwrap_err();
    assert!(
        trouble.is_transient && trouble.why.contains("encrypting"),
        "{trouble}"
    );
    // Encryption expected from the first byte, of a server that greets first.
    let server = SmtpServer::start(Behaviour::new(Encryption::Tls)).await;
    let mailer = mailer_of(true, Duration::from_millis(600));
    let trouble = mailer
        .check(&at(&server, Security::StartTls, None))
        .await
        .unwrap_err();
    assert!(trouble.why.contains("choose TLS"), "{trouble}");
}

#[tokio::test]
async fn nobody_there_is_transient_and_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for security in [Security::None, Security::StartTls, Security::Tls] {
        let asked = MailServer {
            host: "127.0.0.1".to_owned(),
            port,
            security,
            is_verified: true,
            login: None,
        };
        let trouble = mailer().check(&asked).await.unwrap_err();
        assert!(
            trouble.is_transient && trouble.why.contains("does not answer on port"),
            "{trouble}"
        );
        let unknown = MailServer {
            host: "no-such-host.invalid".to_owned(),
            ..asked
        };
        let trouble = mailer().check(&unknown).await.unwrap_err();
        assert!(
            trouble.is_transient && trouble.why.contains("no-such-host.invalid"),
            "{trouble}"
        );
    }
}

#[tokio::test]
async fn metadata_and_link_local_are_never_asked_and_private_only_if_allowed() {
    let server = SmtpServer::start(Behaviour::new(Encryption::None)).await;
    let asked = at(&server, Security::None, None);
    for host in ["169.254.169.254", "[fe80::1]", "metadata.google.internal"] {
        let asked = MailServer {
            host: host.to_owned(),
            ..asked.clone()
        };
        let trouble = mailer().check(&asked).await.unwrap_err();
        assert_eq!(
            (trouble.field, trouble.is_transient),
            (Some("smtp_host"), false),
            "{host}: {trouble}"
        );
    }
    let strict = mailer_of(false, Duration::from_secs(20));
    let trouble = strict.check(&asked).await.unwrap_err();
    assert!(trouble.why.contains("private address"), "{trouble}");
    assert_eq!(server.connections(), 0);
    mailer().check(&asked).await.unwrap();
}

#[tokio::test]
async fn a_header_that_would_break_is_refused_before_anything_is_asked() {
    let server = SmtpServer::start(Behaviour::new(Encryption::None)).await;
    let asked = at(&server, Security::None, None);
    let evil = "x\r\nBcc: eve@example.com";
    for (field, mail) in [
        (
            "subject",
            Mail {
                subject: evil.to_owned(),
                ..mail()
            },
        ),
        (
            "from_email",
            Mail {
                from: format!("{evil} <{USER}>"),
                ..mail()
            },
        ),
        (
            "to",
            Mail {
                to: vec![format!("ann@example.org\r\nRCPT TO:<eve@example.com>")],
                ..mail()
            },
        ),
        (
            "reply_to",
            Mail {
                reply_to: Some(evil.to_owned()),
                ..mail()
            },
        ),
        (
            "to",
            Mail {
                to: Vec::new(),
                ..mail()
            },
        ),
    ] {
        let trouble = mailer().send(&asked, &mail).await.unwrap_err();
        assert_eq!(
            (trouble.field, trouble.is_transient),
            (Some(field), false),
            "{trouble}"
        );
    }
    assert_eq!(server.connections(), 0);
}
