//! Any server that takes JSON, XML or a form, and Apprise's own API server.

use super::prelude::*;
use http::Method;

const METHOD: Field = Field::choice(
    "method",
    "Method",
    &["POST", "GET", "DELETE", "PUT", "HEAD", "PATCH", "OPTIONS"],
    Place::Query("method"),
);
const PATH: Field = Field::secret("path", "Path", Place::WholePath)
    .help("Kept as a secret: it is often all that keeps strangers out.");
const HEADERS: Field = Field::pairs("headers", "Headers", Place::QueryPrefix('+'));
const PARAMS: Field = Field::pairs("params", "Query parameters", Place::QueryPrefix('-'));
const PAYLOAD: Field = Field::pairs("payload", "Fields of the body", Place::QueryPrefix(':'))
    .help("A name of ours (title, message, type, version) with another for it, or a field more with its value.");
const LIMITS: Limits = Limits::new(250, 15_000, 0);

/// JSON to anywhere.
pub static JSON: Definition = Definition {
    id: "json",
    name: "JSON to a web address",
    schemes: &["json", "jsons"],
    docs: "https://appriseit.com/services/json/",
    example: "jsons://user:password@hooks.example.org/path",
    fields: &[
        HOST, PORT, TLS, USER, PASSWORD, PATH, METHOD, HEADERS, PARAMS, PAYLOAD,
    ],
    limits: LIMITS,
    build: |fields| {
        plain(fields, |fields, message, _| {
            let pairs = body(
                fields,
                message,
                &["version", "title", "message", "attachments", "type"],
            );
            let mut body: serde_json::Map<_, _> = pairs
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect();
            if let Some(list) = body.get_mut("attachments").filter(|value| **value == "") {
                *list = json!([]);
            }
            let body = Body::Json(body.into());
            Ok(vec![request(fields, message, body)?])
        })
    },
    ..Definition::PLAIN
};

/// XML to anywhere.
pub static XML: Definition = Definition {
    id: "xml",
    name: "XML to a web address",
    schemes: &["xml", "xmls"],
    docs: "https://appriseit.com/services/xml/",
    example: "xmls://user:password@hooks.example.org/path",
    fields: &[
        HOST, PORT, TLS, USER, PASSWORD, PATH, METHOD, HEADERS, PARAMS, PAYLOAD,
    ],
    limits: LIMITS,
    build: |fields| {
        plain(fields, |fields, message, _| {
            let mut inner = String::new();
            for (name, value) in body(
                fields,
                message,
                &["Version", "Subject", "Message", "MessageType"],
            ) {
                let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
                let is_odd = !name.starts_with(|c: char| c.is_alphabetic() || c == '_');
                if is_odd || !name.chars().all(is_name) {
                    return Err(Misfit::new(
                        "payload",
                        format!("{name} is no name of an element"),
                    ));
                }
                let _ = write!(inner, "<{name}>{}</{name}>", markup(&value));
            }
            let text = format!(
                "<?xml version='1.0' encoding='utf-8'?>\n\
                 <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                 xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
                 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
                 <soapenv:Body><Notification>{inner}</Notification></soapenv:Body></soapenv:Envelope>\n"
            );
            let body = Body::Text {
                content_type: "application/xml",
                text,
            };
            Ok(vec![request(fields, message, body)?])
        })
    },
    ..Definition::PLAIN
};

/// A form to anywhere.
pub static FORM: Definition = Definition {
    id: "form",
    name: "Form to a web address",
    schemes: &["form", "forms"],
    docs: "https://appriseit.com/services/form/",
    example: "forms://user:password@hooks.example.org/path",
    fields: &[
        HOST, PORT, TLS, USER, PASSWORD, PATH, METHOD, HEADERS, PARAMS, PAYLOAD,
    ],
    limits: LIMITS,
    build: |fields| {
        plain(fields, |fields, message, _| {
            let pairs = body(fields, message, &["version", "title", "message", "type"]);
            if fields.text("method") == "GET" {
                // A GET has no body: what would be in it goes into the address.
                let mut request = request(fields, message, Body::Empty)?;
                request.url.query_pairs_mut().extend_pairs(pairs);
                return Ok(vec![request]);
            }
            Ok(vec![request(fields, message, Body::Form(pairs))?])
        })
    },
    ..Definition::PLAIN
};

/// The body's fields, under the names that the configuration gives them.
fn body(fields: &Fields, message: &Message, names: &[&str]) -> Vec<(String, String)> {
    // In an address there is less room.
    let limits = match fields.text("method") {
        "GET" => Limits::new(250, 1_000, 0),
        _ => LIMITS,
    };
    let words = Words::of(message, limits, Acknowledge::InText);
    let mut pairs: Vec<(String, String)> = names
        .iter()
        .map(|name| {
            let value = match name.to_ascii_lowercase().as_str() {
                "version" if *name == "Version" => "1.1".to_owned(),
                "version" => "1.0".to_owned(),
                "title" | "subject" => words.title.clone(),
                "message" => words.body.clone(),
                "type" | "messagetype" => message.tone.as_str().to_owned(),
                _ => String::new(),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    for (name, value) in fields.pairs("payload") {
        match pairs.iter().position(|(known, _)| known == name) {
            // Without a name it is left out.
            Some(index) if value.is_empty() => {
                pairs.remove(index);
            }
            Some(index) => value.clone_into(&mut pairs[index].0),
            None => pairs.push((name.to_owned(), value.to_owned())),
        }
    }
    pairs
}

fn request(fields: &Fields, message: &Message, body: Body) -> Result<Request, Misfit> {
    let mut url = under(server_with_login(fields)?, &segments(fields, "path"))?;
    let params = fields.pairs("params");
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
    let method = fields.given("method").unwrap_or("POST");
    let request = Request {
        method: Method::from_bytes(method.as_bytes())
            .map_err(|_| Misfit::new("method", "it is no method of HTTP"))?,
        url,
        headers: Vec::new(),
        body,
    };
    Ok(with_headers(fields, request)?
        .header("X-Flowkeep-Message", message.id.to_string())
        .header("X-Flowkeep-Event", message.event_type.clone()))
}

/// An Apprise API server, for every service that is not spoken here.
pub static APPRISE_API: Definition = Definition {
    id: "apprise",
    name: "Apprise API server",
    schemes: &["apprise", "apprises"],
    docs: "https://github.com/caronc/apprise-api",
    example: "apprises://apprise.example.org/token",
    fields: &[
        HOST,
        PORT,
        TLS,
        USER,
        PASSWORD,
        Field::text("path", "Path of the server", Place::PathBeforeLast)
            .help("Only if the server is not at the root."),
        Field::secret("token", "Configuration key", Place::LastPath).required(),
        Field::list("tags", "Tags", Place::Query("tags"))
            .help("Which of the configured services. Empty: all."),
        Field::choice(
            "version",
            "Version of its API",
            &["1", "2"],
            Place::Query("version"),
        )
        .help("1: the key in the address, which every server takes. 2: in a header."),
        HEADERS,
    ],
    limits: LIMITS,
    build: |fields| {
        judged_by(fields, apprise, |status, _| {
            // So it says that nothing is configured under the key, and sends nothing.
            (status == 204).then(|| Rejection {
                why: "it knows no configuration under that key; check the key, and that the server keeps one".to_owned(),
                is_transient: false,
                retry_after: None,
            })
        })
    },
    parse: Some(|url| {
        let mut url = url.clone();
        url.query.remove("method");
        if let Some(version) = url.query.remove("v") {
            url.query.insert("version".to_owned(), version);
        }
        codec::parse(&APPRISE_API, &url)
    }),
    ..Definition::PLAIN
};

fn apprise(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, LIMITS, Acknowledge::InText);
    let is_second = fields.text("version") == "2";
    let mut path = segments(fields, "path");
    path.push("notify");
    if !is_second {
        path.push(fields.text("token"));
    }
    let url = under(server_with_login(fields)?, &path)?;
    let mut body = json!({
        "title": words.title,
        "body": words.body,
        "type": message.tone.as_str(),
        "format": "text",
    });
    let tags = fields.list("tags");
    if !tags.is_empty() {
        body["tag"] = tags.join(",").into();
    }
    let mut request = Request::post_json(url, body)
        .header("Accept", "application/json")
        .header("X-Apprise-ID", message.id.to_string())
        .header("X-Apprise-Recursion-Count", "1");
    if is_second {
        request = request.header("X-Apprise-Config-ID", fields.text("token"));
    }
    Ok(vec![with_headers(fields, request)?])
}
