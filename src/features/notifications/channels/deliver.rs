//! Takes a service's plan over the wire.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::http::{Body, HttpService, Rejection, Request, Step};
use super::message::Message;
use super::words::complaint;
use crate::platform::outbound::{Answer, Outgoing, Unreached, Wire};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(20);
/// More questions than any service has.
const MOST_QUESTIONS: usize = 20;
/// Characters of a service's words that are kept.
const MOST_WORDS: usize = 500;

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The status of the last answer.
    pub status: u16,
    /// The beginning of what it said.
    pub words: String,
}

/// A message that was not taken, or not everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// For people; never with a secret.
    pub why: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Whether trying again can help.
    pub is_transient: bool,
    /// Whether nobody is there any more (410), and never will be.
    pub is_gone: bool,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether it was too large, here or there.
    pub is_too_large: bool,
    /// How many of the requests were taken before, in this attempt and those before it.
    pub done: usize,
}

impl Undelivered {
    /// Something that no repetition helps.
    pub fn lasting(why: impl Into<String>, done: usize) -> Self {
        Self {
            why: why.into(),
            status: None,
            is_transient: false,
            is_gone: false,
            retry_after: None,
            is_too_large: false,
            done,
        }
    }

    fn unreached(error: &Unreached, done: usize) -> Self {
        let is_transient = !matches!(error, Unreached::Refused(_) | Unreached::TooLarge(_));
        Self {
            is_transient,
            is_too_large: matches!(error, Unreached::TooLarge(_)),
            ..Self::lasting(error.to_string(), done)
        }
    }

    fn answered(answer: &Answer, said: &str, rejection: Option<Rejection>, done: usize) -> Self {
        let status = answer.status;
        let mut retry_after = answer.retry_after;
        let (why, is_transient) = match rejection {
            Some(rejection) => {
                retry_after = rejection.retry_after.or(retry_after);
                (rejection.why, rejection.is_transient)
            }
            None if (300..400).contains(&status) => (
                format!(
                    "it answered {status}, a redirect; those are not followed. Give the final address"
                ),
                false,
            ),
            None => (
                match complaint(said) {
                    Some(words) => format!("it answered {status}: {words}"),
                    None => format!("it answered {status}"),
                },
                matches!(status, 408 | 425 | 429) || status >= 500,
            ),
        };
        Self {
            why,
            status: Some(status),
            is_transient,
            is_gone: status == 410,
            is_too_large: status == 413,
            retry_after,
            done,
        }
    }
}

/// Delivers a message; without its details if it is too large with them: asks what the service has to know, then sends the requests after the first `done`. `now` is
/// for signatures. What it says when it fails holds no secret of the service's.
pub async fn deliver(
    wire: &dyn Wire,
    service: &dyn HttpService,
    message: &Message,
    now: DateTime<Utc>,
    is_verified: bool,
    done: usize,
) -> Result<Delivered, Undelivered> {
    let mut tried = attempt(wire, service, message, now, is_verified, done).await;
    if let Err(trouble) = &tried
        && trouble.is_too_large
        && !message.data.is_null()
    {
        let done = trouble.done;
        let brief = Message {
            data: Value::Null,
            ..message.clone()
        };
        tried = attempt(wire, service, &brief, now, is_verified, done).await;
    }
    tried.map_err(|undelivered| Undelivered {
        why: service.scrub(&undelivered.why),
        ..undelivered
    })
}

async fn attempt(
    wire: &dyn Wire,
    service: &dyn HttpService,
    message: &Message,
    now: DateTime<Utc>,
    is_verified: bool,
    mut done: usize,
) -> Result<Delivered, Undelivered> {
    let mut answers: Vec<Value> = Vec::new();
    let requests = loop {
        let step = service.step(message, &answers, now);
        match step.map_err(|why| Undelivered::lasting(why, done))? {
            Step::Deliver(requests) => break requests,
            Step::Ask(_) | Step::Try(_) if answers.len() >= MOST_QUESTIONS => {
                return Err(Undelivered::lasting("it asks for too much", done));
            }
            Step::Try(request) => {
                let answer = wire.exchange(prepare(request, None, is_verified)).await;
                let answer = answer.map_err(|error| Undelivered::unreached(&error, done))?;
                let is_fine = (200..300).contains(&answer.status);
                let said = Some(answer.body).filter(|_| is_fine);
                answers.push(
                    said.and_then(|body| serde_json::from_str(&body).ok())
                        .unwrap_or_default(),
                );
            }
            Step::Ask(request) => {
                let answer =
                    exchange(wire, service, prepare(request, None, is_verified), done).await?;
                answers.push(serde_json::from_str(&answer.body).unwrap_or(Value::Null));
            }
        }
    };
    let mut last = Delivered {
        status: 200,
        words: String::new(),
    };
    let count = requests.len();
    for request in requests.into_iter().skip(done) {
        // Several requests are not repetitions of one.
        let key = match count {
            1 => message.id.to_string(),
            _ => format!("{}-{}", message.id, done + 1),
        };
        let outgoing = prepare(request, Some(key), is_verified);
        let answer = exchange(wire, service, outgoing, done).await?;
        done += 1;
        last = Delivered {
            status: answer.status,
            words: service
                .scrub(&answer.body)
                .chars()
                .take(MOST_WORDS)
                .collect(),
        };
    }
    Ok(last)
}

async fn exchange(
    wire: &dyn Wire,
    service: &dyn HttpService,
    outgoing: Outgoing,
    done: usize,
) -> Result<Answer, Undelivered> {
    let answer = wire.exchange(outgoing).await;
    let answer = answer.map_err(|error| Undelivered::unreached(&error, done))?;
    let rejection = service.rejection(answer.status, &answer.body);
    if rejection.is_some() || !(200..300).contains(&answer.status) {
        return Err(Undelivered::answered(
            &answer,
            &service.scrub(&answer.body),
            rejection,
            done,
        ));
    }
    Ok(answer)
}

/// Adds what every request has: its length in the body's form, and a key by which a repetition can be told.
fn prepare(request: Request, key: Option<String>, is_verified: bool) -> Outgoing {
    let mut headers = request.headers;
    let mut url = request.url;
    let has = |headers: &[(String, String)], name: &str| {
        headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    if !url.username().is_empty() || url.password().is_some() {
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let login = format!(
            "{}:{}",
            decoded(url.username()),
            decoded(url.password().unwrap_or_default())
        );
        // A URL without a host has neither name nor password, so this cannot fail.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        if !has(&headers, "authorization") {
            headers.push((
                "Authorization".to_owned(),
                format!("Basic {}", STANDARD.encode(login)),
            ));
        }
    }
    let (content_type, body) = match request.body {
        Body::Empty => (None, Vec::new()),
        Body::Json(value) => (Some("application/json"), value.to_string().into_bytes()),
        Body::Form(fields) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(fields);
            (
                Some("application/x-www-form-urlencoded"),
                form.finish().into_bytes(),
            )
        }
        Body::Text { content_type, text } => (Some(content_type), text.into_bytes()),
    };
    if let Some(content_type) = content_type
        && !has(&headers, "content-type")
    {
        headers.push(("Content-Type".to_owned(), content_type.to_owned()));
    }
    if let Some(key) = key
        && !has(&headers, "idempotency-key")
    {
        headers.push(("Idempotency-Key".to_owned(), key));
    }
    Outgoing {
        method: request.method,
        url,
        headers,
        body,
        is_verified,
        timeout: LIMIT,
    }
}
