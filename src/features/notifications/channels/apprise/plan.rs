//! What services over HTTP have in common.

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use crate::features::notifications::channels::form::{Field, Fields, Misfit, Place, Transport};
use crate::features::notifications::channels::http::{HttpService, Rejection, Request, Step};
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
}

/// A service whose status says it all.
pub fn plain(fields: &Fields, requests: Requests) -> Result<Transport, Misfit> {
    judged_by(fields, requests, |_, _| None)
}

/// A service whose answers must be read.
pub fn judged_by(fields: &Fields, requests: Requests, judge: Judge) -> Result<Transport, Misfit> {
    // What cannot say a word now never can.
    requests(fields, &Message::sample(), DateTime::UNIX_EPOCH)?;
    Ok(Transport::Http(Box::new(Plan {
        fields: fields.clone(),
        requests,
        judge,
    })))
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
