//! Text messages: Twilio, Vonage, MessageBird, Plivo.

use super::prelude::*;

/// What nine text messages hold in any alphabet: 67 characters each. Longer ones are refused by some, and dear.
const MOST: usize = 603;

const TO: Field = Field::list("to", "Numbers", Place::Targets(0))
    .help("With the country's code. Empty: the sender's own.")
    .example("+4915112345678");

/// Digits only, as all of these services want them, or a name of a sender.
fn number(text: &str) -> String {
    let is_number = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')' | '.'));
    if is_number {
        text.chars().filter(char::is_ascii_digit).collect()
    } else {
        text.to_owned()
    }
}

fn plus(text: &str) -> String {
    let number = number(text);
    if number.bytes().all(|byte| byte.is_ascii_digit()) && number.len() > 6 {
        format!("+{number}")
    } else {
        number
    }
}

fn receivers<'a>(fields: &'a Fields, from: &'a str) -> Vec<&'a str> {
    let to = fields.list("to");
    if to.is_empty() { vec![from] } else { to }
}

/// Twilio.
pub static TWILIO: Definition = Definition {
    id: "twilio",
    name: "Twilio",
    schemes: &["twilio"],
    docs: "https://www.twilio.com/docs/messaging/api/message-resource",
    example: "twilio://AC0123456789abcdef0123456789abcdef:token@15551233456/15551234567",
    fields: &[
        Field::text("sid", "Account SID", Place::User)
            .required()
            .help("Console, Account Info."),
        Field::secret("token", "Auth token", Place::Password).required(),
        Field::text("from", "From", Place::Host)
            .required()
            .help("A number of the account's, or w:number for WhatsApp."),
        TO,
        Field::text("api_key", "API key", Place::Query("apikey"))
            .help("Its SID, if the token above is an API key's secret."),
    ],
    limits: Limits::new(0, MOST, 1_000),
    build: |fields| plain(fields, twilio),
    ..Definition::PLAIN
};

fn twilio(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, TWILIO.limits, Acknowledge::InText);
    let sid = fields.text("sid");
    let base = "https://api.twilio.com/2010-04-01/Accounts";
    let mut url = at(base, &[sid, "Messages.json"])?;
    login(
        &mut url,
        fields.given("api_key").unwrap_or(sid),
        fields.text("token"),
    );
    let from = fields.text("from");
    let requests = receivers(fields, from).into_iter().map(|to| {
        // One of the two is enough: both ends are on WhatsApp or none is.
        let is_whatsapp = from.starts_with("w:") || to.starts_with("w:");
        let address = |text: &str| {
            let number = plus(text.strip_prefix("w:").unwrap_or(text));
            if is_whatsapp {
                format!("whatsapp:{number}")
            } else {
                number
            }
        };
        let form = vec![
            ("Body".to_owned(), words.body.clone()),
            ("From".to_owned(), address(from)),
            ("To".to_owned(), address(to)),
        ];
        Request::post_form(url.clone(), form)
    });
    Ok(requests.collect())
}

/// Vonage, Nexmo before.
pub static VONAGE: Definition = Definition {
    id: "vonage",
    name: "Vonage",
    schemes: &["vonage"],
    aliases: &["nexmo"],
    docs: "https://developer.vonage.com/en/api/sms",
    example: "vonage://apikey:secret@15551233456/15551234567",
    fields: &[
        Field::text("api_key", "API key", Place::User)
            .required()
            .help("Dashboard, API settings."),
        Field::secret("secret", "API secret", Place::Password).required(),
        Field::text("from", "From", Place::Host)
            .required()
            .help("A number, or a name of up to 11 characters."),
        TO,
        Field::integer(
            "ttl",
            "Lifetime (milliseconds)",
            (20_000, 604_800_000),
            Place::Query("ttl"),
        ),
    ],
    limits: Limits::new(0, MOST, 1_000),
    build: |fields| {
        judged_by(fields, vonage, |status, body| {
            let code = |said: &Value| {
                let code = said.pointer("/messages/0/status").and_then(Value::as_str);
                code.unwrap_or("0").to_owned()
            };
            let words: Value = serde_json::from_str(body).unwrap_or_default();
            let refused = judged(
                body,
                |said| code(said) == "0",
                // Throttled, internal error.
                |said| matches!(code(said).as_str(), "1" | "5"),
            )?;
            let why = words
                .pointer("/messages/0/error-text")
                .and_then(Value::as_str);
            let why = why.map_or(refused.why.clone(), |why| format!("it refused: {why}"));
            (status == 200).then_some(Rejection { why, ..refused })
        })
    },
    ..Definition::PLAIN
};

fn vonage(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, VONAGE.limits, Acknowledge::InText);
    let url = at("https://rest.nexmo.com/sms/json", &[])?;
    let from = fields.text("from");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let requests = receivers(fields, from).into_iter().map(|to| {
        let mut form = vec![
            pair("api_key", fields.text("api_key")),
            pair("api_secret", fields.text("secret")),
            pair("from", &number(from)),
            pair("to", &number(to)),
            pair("text", &words.body),
        ];
        if !words.body.is_ascii() {
            form.push(pair("type", "unicode"));
        }
        if let Some(ttl) = fields.integer("ttl") {
            form.push(pair("ttl", &ttl.to_string()));
        }
        Request::post_form(url.clone(), form)
    });
    Ok(requests.collect())
}

/// MessageBird.
pub static MESSAGEBIRD: Definition = Definition {
    id: "msgbird",
    name: "MessageBird",
    schemes: &["msgbird"],
    docs: "https://developers.messagebird.com/api/sms-messaging/#send-outbound-sms",
    example: "msgbird://aaaaaaaaaaaaaaaaaaaaaaaaa/15551233456/15551234567",
    fields: &[
        Field::secret("api_key", "Access key", Place::Host)
            .required()
            .help("Developers, API access."),
        Field::text("from", "From", Place::Path(0))
            .required()
            .help("A number."),
        Field::list("to", "Numbers", Place::Targets(1))
            .help("With the country's code. Empty: the sender's own."),
    ],
    limits: Limits::new(0, MOST, 1_000),
    build: |fields| plain(fields, messagebird),
    ..Definition::PLAIN
};

fn messagebird(
    fields: &Fields,
    message: &Message,
    _: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, MESSAGEBIRD.limits, Acknowledge::InText);
    let url = at("https://rest.messagebird.com/messages", &[])?;
    let from = fields.text("from");
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let requests = receivers(fields, from).into_iter().map(|to| {
        let form = vec![
            pair("originator", plus(from)),
            pair("recipients", plus(to)),
            pair("body", words.body.clone()),
            pair("datacoding", "auto".to_owned()),
        ];
        Request::post_form(url.clone(), form).header(
            "Authorization",
            format!("AccessKey {}", fields.text("api_key")),
        )
    });
    Ok(requests.collect())
}

/// Plivo.
pub static PLIVO: Definition = Definition {
    id: "plivo",
    name: "Plivo",
    schemes: &["plivo"],
    docs: "https://www.plivo.com/docs/messaging/api/message/send-a-message",
    example: "plivo://MAXXXXXXXXXXXXXXXXXX@token/15551233456/15551234567",
    fields: &[
        Field::text("auth_id", "Auth id", Place::User)
            .required()
            .help("Console, Overview."),
        Field::secret("token", "Auth token", Place::Host).required(),
        Field::text("from", "From", Place::Path(0))
            .required()
            .help("A number."),
        Field::list("to", "Numbers", Place::Targets(1))
            .help("With the country's code. Empty: the sender's own."),
    ],
    limits: Limits::new(0, MOST, 1_000),
    build: |fields| plain(fields, plivo),
    ..Definition::PLAIN
};

fn plivo(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, PLIVO.limits, Acknowledge::InText);
    let id = fields.text("auth_id");
    let mut url = at("https://api.plivo.com/v1/Account", &[id, "Message", "/"])?;
    // Plivo's addresses end with a slash.
    let path = url.path().trim_end_matches("%2F").to_owned();
    url.set_path(&path);
    login(&mut url, id, fields.text("token"));
    let from = fields.text("from");
    let requests = receivers(fields, from).into_iter().map(|to| {
        let body = json!({ "src": plus(from), "dst": plus(to), "text": words.body });
        Request::post_json(url.clone(), body)
    });
    Ok(requests.collect())
}
