//! E-mail over the APIs of those who deliver it: SendGrid, Resend, Mailgun, SMTP2GO, Brevo, Postmark.

use super::prelude::*;

const LIMITS: Limits = Limits::new(250, 7_500, 200);

const FROM: Field = Field::text("from", "From", Place::PasswordAtHost)
    .required()
    .help("An address that the service knows as yours.")
    .example("flowkeep@example.org");
const TO: Field =
    Field::list("to", "To", Place::Targets(0)).help("Addresses. Empty: the sender's own.");
const CC: Field = Field::list("cc", "Copy to", Place::Query("cc"));
const BCC: Field = Field::list("bcc", "Blind copy to", Place::Query("bcc"));
const NAME: Field = Field::text("name", "Shown as", Place::Query("name"));
const REPLY: Field = Field::text("reply", "Answers to", Place::Query("reply"));

/// A mail as all of these take it.
struct Mail<'a> {
    from: &'a str,
    to: Vec<&'a str>,
    cc: Vec<&'a str>,
    bcc: Vec<&'a str>,
    subject: String,
    text: String,
    html: String,
}

impl<'a> Mail<'a> {
    fn new(fields: &'a Fields, message: &Message) -> Result<Self, Misfit> {
        let words = Words::of(message, LIMITS, Acknowledge::Apart);
        let mut text = words.body.clone();
        let mut html = format!("<p>{}</p>", markup(&words.body).replace('\n', "<br>\n"));
        let links = [
            ("Acknowledge", &message.acknowledge),
            ("Details", &message.link),
        ];
        for (label, url) in links {
            if let Some(url) = url {
                let _ = write!(text, "\n\n{label}: {url}");
                let _ = write!(
                    html,
                    "\n<p><a href=\"{}\">{label}</a></p>",
                    markup(url.as_str())
                );
            }
        }
        let from = fields.text("from");
        let mut to = fields.list("to");
        if to.is_empty() {
            to.push(from);
        }
        let (cc, bcc) = (fields.list("cc"), fields.list("bcc"));
        let lists = [
            ("from", &vec![from]),
            ("to", &to),
            ("cc", &cc),
            ("bcc", &bcc),
        ];
        for (key, addresses) in lists {
            if let Some(odd) = addresses.iter().find(|address| !address.contains('@')) {
                return Err(Misfit::new(key, format!("{odd} is no address of e-mail")));
            }
        }
        Ok(Self {
            from,
            to,
            cc,
            bcc,
            subject: words.title,
            text,
            html,
        })
    }

    /// The sender with a name, if there is one.
    fn sender(&self, fields: &Fields) -> String {
        match fields.given("name") {
            Some(name) => {
                let plain: String = name
                    .chars()
                    .filter(|c| !matches!(c, '"' | '<' | '>' | '\\'))
                    .collect();
                format!("\"{plain}\" <{}>", self.from)
            }
            None => self.from.to_owned(),
        }
    }
}

fn emails(addresses: &[&str]) -> Value {
    addresses
        .iter()
        .map(|address| json!({ "email": address }))
        .collect()
}

/// Apprise writes `key:from@host`; some also `?from=`.
fn parse(definition: &'static Definition, url: &AppriseUrl) -> Result<Fields, Misfit> {
    let mut url = url.clone();
    let named = url.query.remove("from").filter(|from| from.contains('@'));
    let mut fields = codec::parse(definition, &url)?;
    if let Some(from) = named {
        fields.set("from", from);
    }
    Ok(fields)
}

/// SendGrid.
pub static SENDGRID: Definition = Definition {
    id: "sendgrid",
    name: "SendGrid",
    schemes: &["sendgrid"],
    docs: "https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send",
    example: "sendgrid://SG.abcdef:flowkeep@example.org/admin@example.com",
    fields: &[
        Field::secret("api_key", "API key", Place::User)
            .required()
            .help("Settings, API Keys."),
        FROM,
        TO,
        CC,
        BCC,
    ],
    limits: LIMITS,
    build: |fields| plain(fields, sendgrid),
    ..Definition::PLAIN
};

fn sendgrid(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let mail = Mail::new(fields, message)?;
    let url = at("https://api.sendgrid.com/v3/mail/send", &[])?;
    let requests = mail.to.iter().map(|to| {
        let mut person = json!({ "to": emails(&[to]) });
        // Nobody may be in two of the lists.
        for (name, list) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
            let list: Vec<_> = list
                .iter()
                .copied()
                .filter(|address| address != to)
                .collect();
            if !list.is_empty() {
                person[name] = emails(&list);
            }
        }
        let body = json!({
            "personalizations": [person],
            "from": { "email": mail.from },
            "subject": mail.subject,
            "content": [
                { "type": "text/plain", "value": mail.text },
                { "type": "text/html", "value": mail.html },
            ],
        });
        Request::post_json(url.clone(), body).bearer(fields.text("api_key"))
    });
    Ok(requests.collect())
}

/// Resend.
pub static RESEND: Definition = Definition {
    id: "resend",
    name: "Resend",
    schemes: &["resend"],
    docs: "https://resend.com/docs/api-reference/emails/send-email",
    example: "resend://re_abcdef:flowkeep@example.org/admin@example.com",
    fields: &[
        Field::secret("api_key", "API key", Place::User)
            .required()
            .help("API Keys."),
        FROM,
        TO,
        CC,
        BCC,
        NAME,
        REPLY,
    ],
    limits: LIMITS,
    build: |fields| {
        known_by(
            fields,
            resend,
            |status, body| {
                let is_later = status == 409 && body.contains("concurrent_idempotent_requests");
                is_later.then(|| Rejection {
                    why: "it refused: the same mail is being taken".to_owned(),
                    is_transient: true,
                    retry_after: None,
                })
            },
            // It has one with this key: an earlier attempt's, whose link was signed at another time.
            |status, body| status == 409 && body.contains("invalid_idempotent_request"),
        )
    },
    parse: Some(|url| parse(&RESEND, url)),
    ..Definition::PLAIN
};

/// An address may hold letters that no header can.
fn key(message: &Message, to: &str) -> String {
    let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
    format!("{}/{}", message.id, cut_bytes(&to, 200).replace('…', ""))
}

fn resend(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let mail = Mail::new(fields, message)?;
    let url = at("https://api.resend.com/emails", &[])?;
    let requests = mail.to.iter().map(|to| {
        let mut body = json!({
            "from": mail.sender(fields),
            "to": to,
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
        });
        for (name, list) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
            if !list.is_empty() {
                body[name] = list.clone().into();
            }
        }
        if let Some(reply) = fields.given("reply") {
            body["reply_to"] = reply.into();
        }
        Request::post_json(url.clone(), body)
            .bearer(fields.text("api_key"))
            // Resend honours it, so it must tell receivers apart.
            .header("Idempotency-Key", key(message, to))
    });
    Ok(requests.collect())
}

/// Mailgun.
pub static MAILGUN: Definition = Definition {
    id: "mailgun",
    name: "Mailgun",
    schemes: &["mailgun"],
    docs: "https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages",
    example: "mailgun://flowkeep@mg.example.org/apikey/admin@example.com",
    fields: &[
        Field::text("from", "From", Place::UserAtHost)
            .required()
            .help("An address of a domain that Mailgun knows.")
            .example("flowkeep@mg.example.org"),
        Field::secret("api_key", "API key", Place::Path(0))
            .required()
            .help("API Security."),
        Field::list("to", "To", Place::Targets(1)).help("Addresses. Empty: the sender's own."),
        CC,
        BCC,
        NAME,
        Field::choice("region", "Region", &["us", "eu"], Place::Query("region")),
        Field::pairs("headers", "Headers", Place::QueryPrefix('+')),
    ],
    limits: LIMITS,
    build: |fields| plain(fields, mailgun),
    ..Definition::PLAIN
};

fn mailgun(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let mail = Mail::new(fields, message)?;
    let domain = mail.from.rsplit_once('@').map_or("", |(_, domain)| domain);
    let base = match fields.text("region") {
        "eu" => "https://api.eu.mailgun.net/v3",
        _ => "https://api.mailgun.net/v3",
    };
    let mut url = at(base, &[domain, "messages"])?;
    login(&mut url, "api", fields.text("api_key"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let requests = mail.to.iter().map(|to| {
        let mut form = vec![
            pair("from", &mail.sender(fields)),
            pair("to", to),
            pair("subject", &mail.subject),
            pair("text", &mail.text),
            pair("html", &mail.html),
        ];
        for (name, list) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
            if !list.is_empty() {
                form.push(pair(name, &list.join(",")));
            }
        }
        for (name, value) in fields.pairs("headers") {
            form.push((format!("h:{name}"), value.to_owned()));
        }
        Request::post_form(url.clone(), form)
    });
    Ok(requests.collect())
}

/// SMTP2GO.
pub static SMTP2GO: Definition = Definition {
    id: "smtp2go",
    name: "SMTP2GO",
    schemes: &["smtp2go"],
    docs: "https://developers.smtp2go.com/reference/send-standard-email",
    example: "smtp2go://flowkeep@example.org/apikey/admin@example.com",
    fields: &[
        Field::text("from", "From", Place::UserAtHost)
            .required()
            .example("flowkeep@example.org"),
        Field::secret("api_key", "API key", Place::Path(0))
            .required()
            .help("Sending, API Keys."),
        Field::list("to", "To", Place::Targets(1)).help("Addresses. Empty: the sender's own."),
        CC,
        BCC,
        NAME,
    ],
    limits: LIMITS,
    build: |fields| {
        judged_by(fields, smtp2go, |status, body| {
            let is_fine = |said: &Value| {
                said.pointer("/data/failed")
                    .and_then(Value::as_u64)
                    .unwrap_or(0)
                    == 0
            };
            if status == 200 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn smtp2go(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let mail = Mail::new(fields, message)?;
    let url = at("https://api.smtp2go.com/v3/email/send", &[])?;
    let requests = mail.to.iter().map(|to| {
        let mut body = json!({
            "sender": mail.sender(fields),
            "to": [to],
            "subject": mail.subject,
            "text_body": mail.text,
            "html_body": mail.html,
        });
        for (name, list) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
            if !list.is_empty() {
                body[name] = list.clone().into();
            }
        }
        Request::post_json(url.clone(), body).header("X-Smtp2go-Api-Key", fields.text("api_key"))
    });
    Ok(requests.collect())
}

/// Brevo.
pub static BREVO: Definition = Definition {
    id: "brevo",
    name: "Brevo",
    schemes: &["brevo"],
    docs: "https://developers.brevo.com/reference/sendtransacemail",
    example: "brevo://xkeysib-abc:flowkeep@example.org/admin@example.com",
    fields: &[
        Field::secret("api_key", "API key", Place::User)
            .required()
            .help("SMTP & API, API Keys."),
        FROM,
        TO,
        CC,
        BCC,
        REPLY,
    ],
    limits: LIMITS,
    build: |fields| plain(fields, brevo),
    ..Definition::PLAIN
};

fn brevo(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let mail = Mail::new(fields, message)?;
    let url = at("https://api.brevo.com/v3/smtp/email", &[])?;
    let requests = mail.to.iter().map(|to| {
        let mut body = json!({
            "sender": { "email": mail.from },
            "to": emails(&[to]),
            "subject": mail.subject,
            "textContent": mail.text,
            "htmlContent": mail.html,
        });
        for (name, list) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
            if !list.is_empty() {
                body[name] = emails(list);
            }
        }
        if let Some(reply) = fields.given("reply") {
            body["replyTo"] = json!({ "email": reply });
        }
        Request::post_json(url.clone(), body).header("api-key", fields.text("api_key"))
    });
    Ok(requests.collect())
}

/// Postmark.
pub static POSTMARK: Definition = Definition {
    id: "postmark",
    name: "Postmark",
    schemes: &["postmark"],
    docs: "https://postmarkapp.com/developer/api/email-api",
    example: "postmark://servertoken:flowkeep@example.org/admin@example.com",
    fields: &[
        Field::secret("api_key", "Server token", Place::User)
            .required()
            .help("Your server, API Tokens."),
        FROM,
        TO,
        CC,
        BCC,
        NAME,
        REPLY,
    ],
    limits: LIMITS,
    build: |fields| {
        judged_by(fields, postmark, |status, body| {
            let is_fine = |said: &Value| said["ErrorCode"].as_i64().unwrap_or(0) == 0;
            if status == 200 {
                judged(body, is_fine, |_| false)
            } else {
                None
            }
        })
    },
    ..Definition::PLAIN
};

fn postmark(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let mail = Mail::new(fields, message)?;
    let url = at("https://api.postmarkapp.com/email", &[])?;
    let requests = mail.to.iter().map(|to| {
        let mut body = json!({
            "From": mail.sender(fields),
            "To": to,
            "Subject": mail.subject,
            "TextBody": mail.text,
            "HtmlBody": mail.html,
        });
        for (name, list) in [("Cc", &mail.cc), ("Bcc", &mail.bcc)] {
            if !list.is_empty() {
                body[name] = list.join(",").into();
            }
        }
        if let Some(reply) = fields.given("reply") {
            body["ReplyTo"] = reply.into();
        }
        Request::post_json(url.clone(), body)
            .header("X-Postmark-Server-Token", fields.text("api_key"))
            .header("Accept", "application/json")
    });
    Ok(requests.collect())
}
