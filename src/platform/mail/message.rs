//! A message as it goes over the wire: checked headers, a body of seven bits, the same id every time.

use std::time::SystemTime;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::{Importance, Mail, MailTrouble};

/// A mail to more people than this belongs to a mailing list.
const MOST_RECIPIENTS: usize = 50;
/// Longest address (RFC 5321, 4.5.3.1.3).
const LONGEST_ADDRESS: usize = 254;
/// Longest name in front of an address, in characters.
const LONGEST_NAME: usize = 200;
/// Longest subject in characters.
const LONGEST_SUBJECT: usize = 500;

/// Checks a line that becomes part of a header: one that breaks would begin another header.
pub fn check_line(field: &'static str, text: &str, most_chars: usize) -> Result<(), MailTrouble> {
    if text.chars().any(char::is_control) {
        let why = "holds a line break or another control character; write it on one line";
        return Err(MailTrouble::field(field, why));
    }
    if text.chars().count() > most_chars {
        let why = format!("is longer than {most_chars} characters");
        return Err(MailTrouble::field(field, why));
    }
    Ok(())
}

/// Reads one plain address. A domain outside ASCII is written as every server understands it.
pub fn check_address(field: &'static str, text: &str) -> Result<Address, MailTrouble> {
    check_line(field, text, LONGEST_ADDRESS)?;
    let wrong = || {
        let why = format!("{text:?} is no address; write one as in name@example.com");
        MailTrouble::field(field, why)
    };
    let (local, domain) = text.trim().rsplit_once('@').ok_or_else(wrong)?;
    if !local.is_ascii() {
        let why =
            format!("{text:?} has signs outside ASCII in front of the @, which few servers take");
        return Err(MailTrouble::field(field, why));
    }
    let domain = if domain.is_ascii() {
        domain.to_owned()
    } else {
        url::Host::parse(domain).map_err(|_| wrong())?.to_string()
    };
    Address::new(local, domain).map_err(|_| wrong())
}

/// Reads an address, perhaps with a name: `Flowkeep <box@example.org>`.
pub fn check_mailbox(field: &'static str, text: &str) -> Result<Mailbox, MailTrouble> {
    check_line(field, text, LONGEST_ADDRESS + LONGEST_NAME)?;
    let text = text.trim();
    let Some((name, address)) = text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
    else {
        return Ok(Mailbox::new(None, check_address(field, text)?));
    };
    let name = name.trim().trim_matches('"').trim();
    check_line(field, name, LONGEST_NAME)?;
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, check_address(field, address)?))
}

fn check_all(field: &'static str, texts: &[String]) -> Result<Vec<Mailbox>, MailTrouble> {
    texts
        .iter()
        .map(|text| check_mailbox(field, text))
        .collect()
}

/// Puts a message together.
pub(super) fn build(mail: &Mail, at: SystemTime) -> Result<Message, MailTrouble> {
    check_line("subject", &mail.subject, LONGEST_SUBJECT)?;
    let from = check_mailbox("from_email", &mail.from)?;
    let to = check_all("to", &mail.to)?;
    let cc = check_all("cc", &mail.cc)?;
    let bcc = check_all("bcc", &mail.bcc)?;
    match to.len() + cc.len() + bcc.len() {
        0 => return Err(MailTrouble::field("to", "nobody is named who gets it")),
        count if count > MOST_RECIPIENTS => {
            let why =
                format!("{count} recipients are more than the {MOST_RECIPIENTS} there may be");
            return Err(MailTrouble::field("to", why));
        }
        _ => {}
    }
    let id = format!("<{}@{}>", mail.message_id, from.email.domain());
    let mut builder = Message::builder()
        .from(from)
        .date(at)
        .message_id(Some(id))
        .subject(mail.subject.trim())
        // Nobody's holiday notice is to come back (RFC 3834, 5; the second is Exchange's).
        .raw_header(plain_header("Auto-Submitted", "auto-generated"))
        .raw_header(plain_header("X-Auto-Response-Suppress", "All"));
    for (name, value) in importance(mail.importance) {
        builder = builder.raw_header(plain_header(name, value));
    }
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(check_mailbox("reply_to", reply_to)?);
    }
    for mailbox in to {
        builder = builder.to(mailbox);
    }
    for mailbox in cc {
        builder = builder.cc(mailbox);
    }
    for mailbox in bcc {
        builder = builder.bcc(mailbox);
    }
    let built = match &mail.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(
            mail.text.clone(),
            html.clone(),
        )),
        None => builder.singlepart(SinglePart::plain(mail.text.clone())),
    };
    built.map_err(|error| {
        MailTrouble::lasting(format!("the message cannot be put together: {error}"))
    })
}

/// What mail clients read it from (RFC 4021; the second is for older ones).
fn importance(importance: Importance) -> &'static [(&'static str, &'static str)] {
    match importance {
        Importance::Low => &[("Importance", "low"), ("X-Priority", "5")],
        Importance::Usual => &[],
        Importance::High => &[("Importance", "high"), ("X-Priority", "2")],
        Importance::Highest => &[("Importance", "high"), ("X-Priority", "1")],
    }
}

fn plain_header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn mail() -> Mail {
        Mail {
            message_id: Uuid::nil(),
            from: "Flowkeep <box@example.org>".to_owned(),
            to: vec!["ann@example.org".to_owned()],
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: None,
            subject: "Hello".to_owned(),
            text: "Hello\nthere".to_owned(),
            html: None,
            importance: Importance::Usual,
        }
    }

    fn wire(mail: &Mail) -> String {
        let built = build(mail, SystemTime::UNIX_EPOCH).unwrap();
        String::from_utf8(built.formatted()).unwrap()
    }

    #[test]
    fn line_breaks_and_what_is_no_address_are_refused_with_their_field() {
        type Change = fn(&mut Mail, &str);
        let places: [(&str, Change); 6] = [
            ("subject", |mail, evil| mail.subject = format!("a{evil}")),
            ("from_email", |mail, evil| {
                mail.from = format!("Box{evil} <box@example.org>");
            }),
            ("to", |mail, evil| {
                mail.to = vec![format!("ann@example.org{evil}")];
            }),
            ("cc", |mail, evil| {
                mail.cc = vec![format!("Ann{evil} <ann@example.org>")];
            }),
            ("bcc", |mail, evil| {
                mail.bcc = vec![format!("ann{evil}@example.org")];
            }),
            ("reply_to", |mail, evil| {
                mail.reply_to = Some(format!("ann@example.org{evil}"));
            }),
        ];
        for (field, change) in places {
            for evil in ["\r\nBcc: eve@example.com", "\n", "\r", "\0"] {
                let mut mail = mail();
                change(&mut mail, evil);
                let trouble = build(&mail, SystemTime::UNIX_EPOCH).unwrap_err();
                assert_eq!(trouble.field, Some(field), "{evil:?}");
                assert!(!trouble.is_transient);
            }
        }
        for bad in [
            "",
            "ann",
            "ann@",
            "@example.org",
            "a@b@c d",
            "a@b, c@d",
            "<>",
        ] {
            let trouble = check_mailbox("to", bad).unwrap_err();
            assert!(trouble.why.contains("name@example.com"), "{bad}: {trouble}");
        }
    }

    #[test]
    fn the_wire_is_ascii_whatever_is_said_and_to_whom() {
        let mut mail = mail();
        mail.subject = "Sicherung für „Küche“ ✓".to_owned();
        mail.from = "Büro <box@bücher.example>".to_owned();
        mail.text = "Grüße\n.\nEnde\n".repeat(200);
        mail.html = Some(format!("<p>{}</p>", "ß".repeat(2_000)));
        mail.bcc = vec!["unseen@example.org".to_owned()];
        let wire = wire(&mail);
        assert!(wire.is_ascii());
        assert!(wire.lines().all(|line| line.len() <= 998));
        assert!(wire.contains("@xn--bcher-kva.example"));
        assert!(wire.contains("Auto-Submitted: auto-generated"));
        assert!(wire.contains("Date: Thu, 01 Jan 1970 00:00:00 +0000"));
        assert!(!wire.contains("unseen"), "a hidden recipient is shown");
    }

    #[test]
    fn what_is_urgent_says_so_in_the_words_of_mail_clients_and_the_usual_says_nothing() {
        let shown = |importance| {
            let wire = wire(&Mail {
                importance,
                ..mail()
            });
            let lines = wire
                .lines()
                .filter(|line| line.starts_with("Importance") || line.starts_with("X-Priority"));
            lines.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown(Importance::Usual), "");
        assert_eq!(shown(Importance::Low), "Importance: low, X-Priority: 5");
        assert_eq!(shown(Importance::High), "Importance: high, X-Priority: 2");
        assert_eq!(
            shown(Importance::Highest),
            "Importance: high, X-Priority: 1"
        );
    }

    #[test]
    fn the_same_message_has_the_same_id() {
        let id = |wire: String| {
            let line = wire.lines().find(|line| line.starts_with("Message-ID:"));
            line.unwrap().to_owned()
        };
        assert_eq!(id(wire(&mail())), id(wire(&mail())));
        assert!(id(wire(&mail())).ends_with("@example.org>"));
    }
}
