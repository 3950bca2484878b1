//! Takes a service's plan over the wire.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::http::{Body, HttpService, Part, Rejection, Request, Step};
use super::message::Message;
use super::parts::Parts;
use super::words::complaint;
use crate::platform::outbound::{Answer, Outgoing, Unreached, Wire};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(20);
/// More questions than any service has: one for each room, and a few.
const MOST_QUESTIONS: usize = 60;
/// Shorter ones are no logins.
const LEAST_LOGIN: usize = 4;
/// Characters of a service's words that are kept.
const MOST_WORDS: usize = 500;

/// The whole of a message to several targets takes no longer; the rest is for the next attempt.
const LONGEST: Duration = Duration::from_mins(2);
/// After so many that ask for a pause the rest wait: it is the server that is busy, and not a room of it.
const MOST_BUSY: usize = 2;

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
    /// The same without the words of the other side, if it stands in a private network.
    pub discreet: Option<String>,
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
    /// Whether some of its targets have it, and no attempt helps the others.
    pub is_partly_sent: bool,
    /// What became of its targets, in this attempt and those before it.
    pub parts: Parts,
}

impl Undelivered {
    /// Something that no repetition helps. The first `done` targets have it.
    pub fn lasting(why: impl Into<String>, done: usize) -> Self {
        Self {
            why: why.into(),
            discreet: None,
            status: None,
            is_transient: false,
            is_gone: false,
            retry_after: None,
            is_too_large: false,
            is_partly_sent: false,
            parts: Parts::first(done),
        }
    }

    fn unreached(error: &Unreached) -> Self {
        Self {
            is_transient: !error.is_lasting(),
            is_too_large: matches!(error, Unreached::TooLarge(_)),
            ..Self::lasting(error.to_string(), 0)
        }
    }

    fn answered(answer: &Answer, said: &str, rejection: Option<Rejection>) -> Self {
        let status = answer.status;
        let mut retry_after = answer.retry_after;
        let mut discreet = None;
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
            None => {
                let plain = format!("it answered {status}");
                discreet = Some(plain.clone()).filter(|_| answer.is_near);
                (
                    match complaint(said) {
                        Some(words) => format!("{plain}: {words}"),
                        None => plain,
                    },
                    matches!(status, 408 | 425 | 429) || status >= 500,
                )
            }
        };
        Self {
            discreet,
            status: Some(status),
            is_transient,
            is_gone: status == 410,
            is_too_large: status == 413,
            retry_after,
            ..Self::lasting(why, 0)
        }
    }

    fn with(self, parts: &Parts) -> Self {
        Self {
            parts: parts.clone(),
            ..self
        }
    }
}

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
) -> Result<Delivered, Undelivered> {
    let mut tried = attempt(wire, service, message, terms).await;
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
        tried = attempt(wire, service, &brief, &terms).await;
    }
    tried.map_err(|undelivered| Undelivered {
        why: service.scrub(&undelivered.why),
        ..undelivered
    })
}

/// A request that is the message for one target, or why there is none.
type Planned = Result<Request, Undelivered>;

async fn attempt(
    wire: &dyn Wire,
    service: &dyn HttpService,
    message: &Message,
    terms: &Terms,
) -> Result<Delivered, Undelivered> {
    let planned = plan(wire, service, message, terms).await;
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
            Step::Ask(_) | Step::Try(_) if answers.len() >= MOST_QUESTIONS => {
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
            Step::Ask(request) => {
                let outgoing = prepare(request, None, terms.is_verified);
                let answer = exchange(wire, service, outgoing).await?;
                answers.push(serde_json::from_str(&answer.body).unwrap_or_default());
                troubles.push(None);
            }
        }
    }
}

/// What becomes of a message's targets within an attempt.
struct Told {
    count: usize,
    parts: Parts,
    last: Delivered,
    /// What refused it for good.
    lasting: Option<Undelivered>,
    /// What may take it later.
    later: Option<Undelivered>,
    gone: usize,
    busy: usize,
}

impl Told {
    fn new(count: usize, parts: Parts) -> Self {
        Self {
            count,
            parts,
            last: Delivered {
                status: 200,
                words: String::new(),
            },
            lasting: None,
            later: None,
            gone: 0,
            busy: 0,
        }
    }

    fn taken(&mut self, part: usize, answer: &Answer, service: &dyn HttpService) {
        self.parts.take(part);
        self.last = Delivered {
            status: answer.status,
            words: service
                .scrub(&answer.body)
                .chars()
                .take(MOST_WORDS)
                .collect(),
        };
    }

    /// Notes a refusal. Returns whether the others need not be asked now.
    fn refused(&mut self, part: usize, trouble: Undelivered) -> bool {
        if trouble.is_transient {
            let is_unreached = trouble.status.is_none();
            self.busy += usize::from(trouble.status == Some(429));
            let wait = self.later.as_ref().and_then(|known| known.retry_after);
            self.later = Some(Undelivered {
                retry_after: trouble.retry_after.max(wait),
                ..trouble
            });
            return is_unreached || self.busy >= MOST_BUSY;
        }
        self.gone += usize::from(trouble.is_gone);
        self.parts.refuse(part, &trouble.why);
        // Whoever does not let us in does so for all of them.
        let is_for_all = trouble.status == Some(401);
        if is_for_all {
            for other in 0..self.count {
                if self.parts.is_open(other) {
                    self.parts.refuse(other, &trouble.why);
                }
            }
        }
        self.lasting.get_or_insert(trouble);
        is_for_all
    }

    fn stop(&mut self, why: &str) {
        self.later = Some(Undelivered {
            is_transient: true,
            ..Undelivered::lasting(why, 0)
        });
    }

    fn end(self) -> Result<Delivered, Undelivered> {
        let taken = self.parts.taken.len();
        let told = |why: &str| match taken {
            0 => why.to_owned(),
            _ => format!("sent to {taken} of {}: {why}", self.count),
        };
        if let Some(later) = self.later {
            return Err(Undelivered {
                why: told(&later.why),
                is_gone: false,
                parts: self.parts,
                ..later
            });
        }
        let Some(first) = self.parts.refused.values().next() else {
            return Ok(self.last);
        };
        let trouble = self
            .lasting
            .unwrap_or_else(|| Undelivered::lasting(first.clone(), 0));
        Err(Undelivered {
            why: told(&trouble.why),
            is_gone: self.gone == self.count,
            is_partly_sent: taken > 0,
            parts: self.parts,
            ..trouble
        })
    }
}

async fn exchange(
    wire: &dyn Wire,
    service: &dyn HttpService,
    outgoing: Outgoing,
) -> Result<Answer, Undelivered> {
    let login = outgoing
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .and_then(|(_, value)| Some(value.split_once(' ')?.1.to_owned()))
        .filter(|login| login.len() >= LEAST_LOGIN);
    let answer = wire.exchange(outgoing).await;
    let mut answer = answer.map_err(|error| Undelivered::unreached(&error))?;
    // A login in base64 is nothing that the service's own list of secrets holds.
    if let Some(login) = login {
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
