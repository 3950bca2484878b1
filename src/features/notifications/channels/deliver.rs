//! Takes a service's plan over the wire.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::http::{Body, HttpService, Part, Rejection, Request, Step};
use super::message::Message;
use super::outcome::{Attempt, Delivered, Told, Undelivered};
use super::parts::Parts;
use crate::platform::outbound::{Answer, Logins, Outgoing, Wire};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(20);
/// More questions than any service has: one for each room, and a few.
const MOST_QUESTIONS: usize = 60;
/// Shorter ones are no logins.
const LEAST_LOGIN: usize = 4;
/// The whole of a message to several targets takes no longer; the rest is for the next attempt.
const LONGEST: Duration = Duration::from_mins(2);

/// How a message is delivered.
#[derive(Clone, Debug)]
pub struct Terms {
    /// For signatures.
    pub now: DateTime<Utc>,
    /// Whether certificates must be right.
    pub is_verified: bool,
    /// How long to wait between its requests.
    pub pace: Duration,
    /// What became of its targets before.
    pub parts: Parts,
}

/// Delivers a message; without its details if it is too large with them: asks what the service has to know, then
/// sends the requests of those targets that neither have it nor refused it for good. What it says when it fails
/// holds no secret of the service's.
pub async fn deliver(
    wire: &dyn Wire,
    service: &dyn HttpService,
    message: &Message,
    terms: &Terms,
) -> Attempt {
    let mut noted = Noted::default();
    let mut tried = attempt(wire, service, message, terms, &mut noted).await;
    if let Err(trouble) = &tried
        && trouble.status == Some(401)
        && let Some(key) = noted.login
        && wire.logins().forget(&key)
    {
        // A login does not last for ever; those who refused only it are asked again.
        let terms = Terms {
            parts: Parts {
                taken: trouble.parts.taken.clone(),
                refused: terms.parts.refused.clone(),
            },
            ..terms.clone()
        };
        tried = attempt(wire, service, message, &terms, &mut noted).await;
    }
    if let Err(trouble) = &tried
        && trouble.is_too_large
        && !message.data.is_null()
    {
        let brief = Message {
            data: Value::Null,
            ..message.clone()
        };
        let terms = Terms {
            parts: trouble.parts.clone(),
            ..terms.clone()
        };
        tried = attempt(wire, service, &brief, &terms, &mut noted).await;
    }
    Attempt {
        payload: noted.payload.map(|payload| service.scrub(&payload)),
        outcome: tried.map_err(|undelivered| Undelivered {
            why: service.scrub(&undelivered.why),
            ..undelivered
        }),
    }
}

/// What is noted on the way.
#[derive(Default)]
struct Noted {
    /// The login that was used again.
    login: Option<[u8; 32]>,
    /// What the last target was sent.
    payload: Option<String>,
}

/// A request as text: its body, or where it has none what its address says.
fn payload(outgoing: &Outgoing) -> Option<String> {
    let text = if outgoing.body.is_empty() {
        outgoing.url.query()?.as_bytes()
    } else {
        &outgoing.body
    };
    Some(String::from_utf8_lossy(text).into_owned())
}

/// A request that is the message for one target, or why there is none.
type Planned = Result<Request, Undelivered>;

async fn attempt(
    wire: &dyn Wire,
    service: &dyn HttpService,
    message: &Message,
    terms: &Terms,
    noted: &mut Noted,
) -> Result<Delivered, Undelivered> {
    let planned = plan(wire, service, message, terms, &mut noted.login).await;
    let planned = planned.map_err(|trouble| trouble.with(&terms.parts))?;
    if planned.is_empty() {
        return Ok(Delivered {
            status: 0,
            words: "nothing was sent: this service is told of troubles, not of their end"
                .to_owned(),
        });
    }
    let began = Instant::now();
    let mut told = Told::new(planned.len(), terms.parts.clone());
    let mut is_first = true;
    for (part, request) in planned.into_iter().enumerate() {
        if !told.parts.is_open(part) {
            continue;
        }
        if began.elapsed() > LONGEST {
            told.stop("it takes too long to tell all of them at once");
            break;
        }
        let request = match request {
            Ok(request) => request,
            Err(trouble) => {
                told.refused(part, trouble);
                continue;
            }
        };
        if !is_first {
            tokio::time::sleep(terms.pace).await;
        }
        is_first = false;
        // Several requests are not repetitions of one.
        let key = match told.count {
            1 => message.id.to_string(),
            _ => format!("{}-{}", message.id, part + 1),
        };
        let outgoing = prepare(request, Some(key), terms.is_verified);
        noted.payload = payload(&outgoing);
        match exchange(wire, service, outgoing).await {
            Ok(answer) => told.taken(part, &answer, service),
            Err(trouble) if trouble.is_too_large && !message.data.is_null() => {
                return Err(trouble.with(&told.parts));
            }
            Err(trouble) => {
                if told.refused(part, trouble) {
                    break;
                }
            }
        }
    }
    told.end()
}

/// Asks until the service knows what to send.
async fn plan(
    wire: &dyn Wire,
    service: &dyn HttpService,
    message: &Message,
    terms: &Terms,
    login: &mut Option<[u8; 32]>,
) -> Result<Vec<Planned>, Undelivered> {
    let mut answers: Vec<Value> = Vec::new();
    let mut troubles: Vec<Option<Undelivered>> = Vec::new();
    loop {
        let step = service.step(message, &answers, terms.now);
        match step.map_err(|why| Undelivered::lasting(why, 0))? {
            Step::Deliver(requests) => return Ok(requests.into_iter().map(Ok).collect()),
            Step::Each(parts) => {
                let planned = parts.into_iter().map(|part| match part {
                    Part::Send(request) => Ok(request),
                    Part::Refused(at) => {
                        Err(troubles.get(at).cloned().flatten().unwrap_or_else(|| {
                            Undelivered::lasting("it does not say where to send it", 0)
                        }))
                    }
                });
                return Ok(planned.collect());
            }
            Step::Ask(_) | Step::Login(_) | Step::Try(_) if answers.len() >= MOST_QUESTIONS => {
                return Err(Undelivered::lasting("it asks for too much", 0));
            }
            Step::Try(request) => {
                let outgoing = prepare(request, None, terms.is_verified);
                let answer = exchange(wire, service, outgoing).await;
                match answer {
                    // There is nobody to ask anything else either.
                    Err(trouble) if trouble.status.is_none() => return Err(trouble),
                    Err(trouble) => {
                        answers.push(Value::Null);
                        troubles.push(Some(trouble));
                    }
                    Ok(answer) => {
                        answers.push(serde_json::from_str(&answer.body).unwrap_or_default());
                        troubles.push(None);
                    }
                }
            }
            Step::Login(request) => {
                let outgoing = prepare(request, None, terms.is_verified);
                let key = Logins::key(&outgoing);
                let kept = wire.logins().recall(&key);
                *login = kept.is_some().then_some(key);
                let said = if let Some(said) = kept {
                    said
                } else {
                    let answer = exchange(wire, service, outgoing).await?;
                    wire.logins().keep(key, answer.body.clone());
                    answer.body
                };
                answers.push(serde_json::from_str(&said).unwrap_or_default());
                troubles.push(None);
            }
            Step::Ask(request) => {
                let outgoing = prepare(request, None, terms.is_verified);
                let answer = exchange(wire, service, outgoing).await?;
                answers.push(serde_json::from_str(&answer.body).unwrap_or_default());
                troubles.push(None);
            }
        }
    }
}

async fn exchange(
    wire: &dyn Wire,
    service: &dyn HttpService,
    outgoing: Outgoing,
) -> Result<Answer, Undelivered> {
    let logins: Vec<String> = outgoing
        .headers
        .iter()
        .filter(|(name, _)| {
            ["authorization", "x-auth-token"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
        })
        .map(|(_, value)| value.split_once(' ').map_or(&**value, |(_, login)| login))
        .filter(|login| login.len() >= LEAST_LOGIN)
        .map(ToOwned::to_owned)
        .collect();
    let answer = wire.exchange(outgoing).await;
    let mut answer = answer.map_err(|error| Undelivered::unreached(&error))?;
    // A login in base64 is nothing that the service's own list of secrets holds.
    for login in logins {
        answer.body = answer.body.replace(&login, "***");
    }
    if service.is_repeated(answer.status, &answer.body) {
        return Ok(answer);
    }
    let rejection = service.rejection(answer.status, &answer.body);
    if rejection.is_none() && (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let said = service.scrub(&answer.body);
    // Judged by what it said, and told in what may be told: a secret that is cut in two is not found any more.
    let rejection = rejection.map(|known| Rejection {
        why: match service.rejection(answer.status, &said) {
            Some(told) => told.why,
            None => "it refused".to_owned(),
        },
        ..known
    });
    Err(Undelivered::answered(&answer, &said, rejection))
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
