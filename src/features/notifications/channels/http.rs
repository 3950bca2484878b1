//! What a service that is spoken to over HTTP is: a pure plan of requests, and how its answers are read.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use serde_json::Value;
use url::Url;

use super::message::Message;

/// Headers that belong to the connection.
pub const OF_CONNECTION: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
];

/// A request's body.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// None.
    Empty,
    /// `application/json`.
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Anything else.
    Text {
        /// Its content type.
        content_type: &'static str,
        /// What it says.
        text: String,
    },
}

/// A request that a service documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// With these headers, beside those of the body.
    pub headers: Vec<(String, String)>,
    /// With this body.
    pub body: Body,
}

impl Request {
    /// A POST of JSON.
    pub fn post_json(url: Url, body: Value) -> Self {
        Self {
            method: Method::POST,
            url,
            headers: Vec::new(),
            body: Body::Json(body),
        }
    }

    /// A POST of a form.
    pub fn post_form(url: Url, fields: Vec<(String, String)>) -> Self {
        Self {
            method: Method::POST,
            url,
            headers: Vec::new(),
            body: Body::Form(fields),
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }
}

/// What is to be done next to deliver a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Something must be known first: a token, a room's id. The answer's JSON is added to the answers, and the
    /// service is asked again.
    Ask(Request),
    /// The same for a login: its answer is used for the next messages too, until it is refused.
    Login(Request),
    /// The same as `Ask`, but a refusal counts as null.
    Try(Request),
    /// These are the message, one for each target, in an order that is the same in every attempt: what was
    /// accepted before is not sent again. None: it has nothing to say there.
    Deliver(Vec<Request>),
    /// The same where asking for some targets came to nothing.
    Each(Vec<Part>),
}

/// One target's part of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// This is to be sent.
    Send(Request),
    /// The answer of this number says why nothing can be.
    Refused(usize),
}

/// A service did not take what it was given, whatever its status said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// In its own words, without secrets.
    pub why: String,
    /// Whether trying again later can help.
    pub is_transient: bool,
    /// How long it asks to be left alone, if it says so in the body.
    pub retry_after: Option<Duration>,
}

/// A service over HTTP. Pure: it makes requests and reads answers.
pub trait HttpService: Send + Sync {
    /// What to do next, given the answers to what was asked before (in order). `now` is for signatures that hold
    /// only for a while. The error names what is missing in an answer.
    fn step(
        &self,
        message: &Message,
        answers: &[Value],
        now: DateTime<Utc>,
    ) -> Result<Step, String>;

    /// Whether an answer says that it failed in a way that its status does not tell. What is not answered here
    /// is judged by the caller: 408, 425, 429 and 5xx may be tried again, the rest beside 2xx may not.
    fn rejection(&self, status: u16, body: &str) -> Option<Rejection> {
        let _ = (status, body);
        None
    }

    /// Whether an answer says that the very message was taken before.
    fn is_repeated(&self, status: u16, body: &str) -> bool {
        let _ = (status, body);
        false
    }

    /// Takes secrets out of words that are kept or shown.
    fn scrub(&self, words: &str) -> String {
        words.to_owned()
    }
}
