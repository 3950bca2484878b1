//! What services over HTTP have in common.

use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use url::{Host, Url};

use crate::features::notifications::channels::form::{Field, Fields, Misfit, Place, Transport};
use crate::features::notifications::channels::http::{
    HttpService, OF_CONNECTION, Rejection, Request, Step,
};
use crate::features::notifications::channels::message::Message;

/// Whether the server is spoken to over TLS.
pub const TLS: Field = Field::boolean("tls", "Encrypted (TLS)", Place::Tls);
/// The host of a server of one's own.
pub const HOST: Field = Field::text("host", "Host", Place::Host)
    .required()
    .example("chat.example.org");
/// Its port.
pub const PORT: Field =
    Field::integer("port", "Port", (1, 65_535), Place::Port).help("Empty: 443 with TLS, else 80.");
/// The name for HTTP's own login.
pub const USER: Field = Field::text("user", "User name", Place::User);
/// The password for it.
pub const PASSWORD: Field = Field::secret("password", "Password", Place::Password);

/// Plans the requests that say a message.
pub type Requests = fn(&Fields, &Message, DateTime<Utc>) -> Result<Vec<Request>, Misfit>;
/// Judges an answer: [`HttpService::rejection`].
pub type Judge = fn(u16, &str) -> Option<Rejection>;

/// A service that has to ask nothing first.
struct Plan {
    fields: Fields,
    requests: Requests,
    judge: Judge,
    is_repeated: fn(u16, &str) -> bool,
}

impl HttpService for Plan {
    fn step(&self, message: &Message, _: &[Value], now: DateTime<Utc>) -> Result<Step, String> {
        let requests = (self.requests)(&self.fields, message, now);
        requests
            .map(Step::Deliver)
            .map_err(|misfit| misfit.to_string())
    }

    fn rejection(&self, status: u16, body: &str) -> Option<Rejection> {
        (self.judge)(status, body)
    }

    fn is_repeated(&self, status: u16, body: &str) -> bool {
        (self.is_repeated)(status, body)
    }
}

/// A service whose status says it all.
pub fn plain(fields: &Fields, requests: Requests) -> Result<Transport, Misfit> {
    judged_by(fields, requests, |_, _| None)
}

/// A service whose answers must be read.
pub fn judged_by(fields: &Fields, requests: Requests, judge: Judge) -> Result<Transport, Misfit> {
    known_by(fields, requests, judge, |_, _| false)
}

/// The same of a service that says when it has a message already.
pub fn known_by(
    fields: &Fields,
    requests: Requests,
    judge: Judge,
    is_repeated: fn(u16, &str) -> bool,
) -> Result<Transport, Misfit> {
    // What cannot say a word now never can.
    for request in requests(fields, &Message::sample(), DateTime::UNIX_EPOCH)? {
        writable(fields, &request)?;
    }
    Ok(Transport::Http(Box::new(Plan {
        fields: fields.clone(),
        requests,
        judge,
        is_repeated,
    })))
}

/// Checks that every header can be written, and names the field whose value is at fault. What somebody sets as a
/// header was checked before.
fn writable(fields: &Fields, request: &Request) -> Result<(), Misfit> {
    let own = fields.pairs("headers");
    for (name, value) in &request.headers {
        if fits_header(value) || own.contains(&(name, value)) {
            continue;
        }
        let mut texts = fields
            .0
            .iter()
            .filter_map(|(key, value)| Some((key, value.as_str()?)));
        let found = texts.find(|(_, text)| value.contains(text) && !fits_header(text));
        let key = found.map_or("headers", |(key, _)| key.as_str());
        return Err(Misfit::new(key, NO_HEADER));
    }
    Ok(())
}

const NO_HEADER: &str = "it holds a character that cannot be sent in a header; letters without accents, digits and signs can";

/// Whether a text arrives in a header as what it is: other letters are bytes there, which each server reads its way.
fn fits_header(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}

/// Checks the fields that a service sends in headers.
pub fn in_headers(fields: &Fields, keys: &[&str]) -> Result<(), Misfit> {
    match keys.iter().find(|key| !fits_header(fields.text(key))) {
        Some(key) => Err(Misfit::new(key, NO_HEADER)),
        None => Ok(()),
    }
}

/// Adds the headers that somebody wants to every request.
pub fn with_headers(fields: &Fields, mut request: Request) -> Result<Request, Misfit> {
    for (name, value) in fields.pairs("headers") {
        let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
        let is_ours = OF_CONNECTION
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        if !is_name || is_ours || HeaderValue::from_str(value).is_err() {
            return Err(Misfit::new("headers", format!("{name} cannot be set")));
        }
        request = request.header(name, value);
    }
    Ok(request)
}

/// A service that asks first.
pub fn asking(service: impl HttpService + 'static) -> Result<Transport, Misfit> {
    let first = service.step(&Message::sample(), &[], DateTime::UNIX_EPOCH);
    first.map_err(|why| Misfit::new("url", why))?;
    Ok(Transport::Http(Box::new(service)))
}

/// A fixed address with segments added, each of them encoded.
pub fn at(base: &str, segments: &[&str]) -> Result<Url, Misfit> {
    let url = Url::parse(base).map_err(|error| Misfit::new("url", error.to_string()))?;
    under(url, segments)
}

/// An address with segments added, each of them encoded.
pub fn under(mut url: Url, segments: &[&str]) -> Result<Url, Misfit> {
    if segments
        .iter()
        .any(|segment| matches!(*segment, "." | ".."))
    {
        return Err(Misfit::new("url", "a part of it is only dots"));
    }
    url.path_segments_mut()
        .map_err(|()| Misfit::new("url", "it has no path"))?
        .pop_if_empty()
        .extend(segments.iter().filter(|segment| !segment.is_empty()));
    Ok(url)
}

/// The root of the server that [`TLS`], [`HOST`] and [`PORT`] name.
pub fn server(fields: &Fields) -> Result<Url, Misfit> {
    server_with(fields, None)
}

/// The same with a port of its own where none is given and there is no TLS.
pub fn server_with(fields: &Fields, plain_port: Option<u16>) -> Result<Url, Misfit> {
    let no_host = || Misfit::new("host", "it is no host name");
    let scheme = if fields.is_on("tls") { "https" } else { "http" };
    let host = fields.text("host");
    let is_odd = |c: char| matches!(c, '/' | '\\' | '?' | '#' | '@') || c.is_whitespace();
    if host.contains(is_odd) {
        return Err(no_host());
    }
    let mut url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| no_host())?;
    let given = fields
        .integer("port")
        .and_then(|port| u16::try_from(port).ok());
    let fallback = plain_port.filter(|_| !fields.is_on("tls"));
    if let Some(port) = given.or(fallback) {
        url.set_port(Some(port)).map_err(|()| no_host())?;
    }
    Ok(url)
}

/// The same with HTTP's own login; it becomes a header.
pub fn server_with_login(fields: &Fields) -> Result<Url, Misfit> {
    let mut url = server(fields)?;
    login(&mut url, fields.text("user"), fields.text("password"));
    Ok(url)
}

/// Puts HTTP's own login on a URL; it becomes a header.
pub fn login(url: &mut Url, user: &str, password: &str) {
    // Every URL here has a host, so these cannot fail.
    let _ = url.set_username(user);
    let _ = url.set_password(Some(password).filter(|password| !password.is_empty()));
}

/// The segments of a path in a field.
pub fn segments<'a>(fields: &'a Fields, key: &str) -> Vec<&'a str> {
    fields
        .text(key)
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect()
}

/// Whether an address names a machine as the internet does: some services refuse a message with another.
pub fn is_public_name(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(name)) if name.trim_end_matches('.').contains('.'))
}

/// Once for each target, or once without.
pub fn each(targets: Vec<&str>) -> Vec<Option<&str>> {
    if targets.is_empty() {
        vec![None]
    } else {
        targets.into_iter().map(Some).collect()
    }
}

/// Pairs as an object of JSON.
pub fn object<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let pairs = pairs.into_iter();
    Value::Object(
        pairs
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
    )
}
