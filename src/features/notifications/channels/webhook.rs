//! JSON to any address, signed as Standard Webhooks says (standardwebhooks.com, version 1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::form::{Definition, Field, Fields, Limits, Misfit, Place, Transport};
use super::http::{Body, HttpService, OF_CONNECTION, Request, Step};
use super::message::Message;
use crate::features::notifications::render;

/// What a webhook asks for.
pub const DEFINITION: Definition = Definition {
    id: "webhook",
    name: "Webhook",
    docs: "https://www.standardwebhooks.com/",
    fields: &[
        Field::secret("url", "URL", Place::Custom)
            .required()
            .help("Where the message goes, as a POST of JSON.")
            .example("https://n8n.example.org/webhook/alerts"),
        Field::choice("method", "Method", &["POST", "PUT"], Place::Custom),
        Field::secret("secret", "Signing secret", Place::Custom)
            .help("Signs each message as Standard Webhooks says: whsec_ and base64 of 24 to 64 bytes.")
            .example("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        Field::pairs("headers", "Headers", Place::Custom).help("Sent with every message, a token maybe."),
        Field::long_text("template", "JSON template", Place::Custom)
            .help("In place of the usual JSON. Values go in as {{ title | tojson }}; known are title, message, severity, type, id, occurred_at, link, acknowledge, data.")
            .example(r#"{"text": {{ title | tojson }}}"#),
    ],
    limits: Limits::new(250, 8_000, 0),
    build,
    ..Definition::PLAIN
};

/// Headers that a webhook sets itself, beside those of the connection.
const RESERVED: &[&str] = &[
    "content-type",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

struct Webhook {
    url: Url,
    method: Method,
    key: Option<Vec<u8>>,
    headers: Vec<(String, String)>,
    template: Option<String>,
}

fn build(fields: &Fields) -> Result<Transport, Misfit> {
    let url = Url::parse(fields.text("url")).map_err(|error| {
        Misfit::new(
            "url",
            format!("is no URL ({error}); give one as in https://example.org/hook"),
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Misfit::new("url", "must begin with http:// or https://"));
    }
    let key = fields.given("secret").map(key_of).transpose()?;
    let mut headers = Vec::new();
    for (name, value) in fields.pairs("headers") {
        let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        let lower = name.to_ascii_lowercase();
        let mut reserved = OF_CONNECTION.iter().chain(RESERVED);
        if !is_name || reserved.any(|one| *one == lower) {
            let why = format!(
                "{name} is no header that can be set; its name has letters, digits and hyphens"
            );
            return Err(Misfit::new("headers", why));
        }
        http::HeaderValue::from_str(value).map_err(|_| {
            Misfit::new(
                "headers",
                format!("the value of {name} holds what no header can"),
            )
        })?;
        headers.push((name.to_owned(), value.to_owned()));
    }
    let template = fields.given("template").map(str::to_owned);
    if let Some(template) = &template {
        // Quotes and line breaks are what a template trips over.
        let sample = context(&Message {
            title: "A \"test\"".to_owned(),
            body: "one\ntwo".to_owned(),
            ..Message::sample()
        });
        let said =
            render::json_template(template, &sample).map_err(|why| Misfit::new("template", why))?;
        serde_json::from_str::<Value>(&said).map_err(|error| {
            let why = format!("does not give JSON ({error}); put values in as {{{{ title | tojson }}}}, without quotes around");
            Misfit::new("template", why)
        })?;
    }
    let method = if fields.text("method") == "PUT" {
        Method::PUT
    } else {
        Method::POST
    };
    Ok(Transport::Http(Box::new(Webhook {
        url,
        method,
        key,
        headers,
        template,
    })))
}

/// What of a webhook's address may be shown: its path is often all that keeps strangers out.
pub fn origin(fields: &Fields) -> String {
    let url = Url::parse(fields.text("url")).ok();
    url.map_or_else(String::new, |url| {
        format!("{}/…", url.origin().ascii_serialization())
    })
}

fn key_of(secret: &str) -> Result<Vec<u8>, Misfit> {
    let wrong = || Misfit::new("secret", "must be whsec_ and base64 of 24 to 64 bytes");
    let encoded = secret.strip_prefix("whsec_").ok_or_else(wrong)?;
    let key = STANDARD.decode(encoded).map_err(|_| wrong())?;
    if (24..=64).contains(&key.len()) {
        Ok(key)
    } else {
        Err(wrong())
    }
}

fn context(message: &Message) -> Value {
    json!({
        "id": message.id, "type": message.event_type, "severity": message.severity.as_str(), "title": message.title,
        "message": message.body, "occurred_at": message.occurred_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "link": message.link, "acknowledge": message.acknowledge, "data": message.data, "subject": message.key,
    })
}

impl Webhook {
    fn body(&self, message: &Message) -> Result<String, String> {
        let context = context(message);
        if let Some(template) = &self.template {
            return render::json_template(template, &context);
        }
        // The shape that Standard Webhooks recommends.
        let body = json!({
            "type": message.event_type,
            "timestamp": message.occurred_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "data": {
                "id": message.id, "title": message.title, "message": message.body, "severity": message.severity.as_str(),
                "subject": message.key, "link": message.link, "acknowledge": message.acknowledge, "event": message.data,
            },
        });
        Ok(body.to_string())
    }
}

impl HttpService for Webhook {
    fn step(&self, message: &Message, _: &[Value], now: DateTime<Utc>) -> Result<Step, String> {
        let body = self.body(message)?;
        let (id, timestamp) = (message.id.to_string(), now.timestamp().to_string());
        let mut headers = self.headers.clone();
        if let Some(key) = &self.key {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
            mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
            let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
            headers.push(("webhook-signature".to_owned(), signature));
        }
        headers.push(("webhook-id".to_owned(), id));
        headers.push(("webhook-timestamp".to_owned(), timestamp));
        Ok(Step::Deliver(vec![Request {
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body: Body::Text {
                content_type: "application/json",
                text: body,
            },
        }]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        // From the Standard Webhooks specification's reference libraries.
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#);
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_value_that_no_request_can_hold_names_its_field() {
        let field = |values: Value| {
            let Value::Object(values) = values else {
                unreachable!()
            };
            let fields = Fields(values.into_iter().collect());
            build(&fields).err().map(|misfit| misfit.field)
        };
        assert_eq!(field(json!({ "url": "https://x.example/h" })), None);
        assert_eq!(
            field(json!({ "url": "ftp://x.example/h" })),
            Some("url".to_owned())
        );
        assert_eq!(
            field(json!({ "url": "https://x/h", "secret": "short" })),
            Some("secret".to_owned())
        );
        assert_eq!(
            field(json!({ "url": "https://x/h", "headers": { "Host": "y" } })),
            Some("headers".to_owned())
        );
        assert_eq!(
            field(json!({ "url": "https://x/h", "headers": { "a b": "y" } })),
            Some("headers".to_owned())
        );
        assert_eq!(
            field(json!({ "url": "https://x/h", "template": "{\"a\": \"{{ message }}\"}" })),
            Some("template".to_owned())
        );
        assert_eq!(
            field(json!({ "url": "https://x/h", "template": "{\"a\": {{ message | tojson }}}" })),
            None
        );
    }
}
