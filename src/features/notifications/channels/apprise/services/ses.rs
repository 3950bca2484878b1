//! Amazon SES, with the signature that all of Amazon's APIs want (version 4).

use super::prelude::*;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::{Digest, Sha256};

/// Amazon SES.
pub static SES: Definition = Definition {
    id: "ses",
    name: "Amazon SES",
    schemes: &["ses"],
    docs: "https://docs.aws.amazon.com/ses/latest/APIReference/API_SendEmail.html",
    example: "ses://flowkeep@example.org/AKIAIOSFODNN7EXAMPLE/secretkey/eu-central-1/admin@example.com",
    fields: &[
        Field::text("from", "From", Place::UserAtHost)
            .required()
            .help("A verified address."),
        Field::text("access_key", "Access key", Place::Path(0))
            .required()
            .help("IAM, with ses:SendEmail."),
        Field::secret("secret_key", "Secret key", Place::Path(1)).required(),
        Field::text("region", "Region", Place::Path(2))
            .required()
            .example("eu-central-1"),
        Field::list("to", "To", Place::Targets(3)).help("Addresses. Empty: the sender's own."),
        Field::list("cc", "Copy to", Place::Query("cc")),
        Field::list("bcc", "Blind copy to", Place::Query("bcc")),
        Field::text("reply", "Answers to", Place::Query("reply")),
        Field::text("name", "Shown as", Place::Query("name")),
        Field::secret("token", "Session token", Place::Query("token"))
            .help("Only for passing keys."),
    ],
    // One a second while the account is in its sandbox.
    limits: Limits::new(250, 7_500, 1_000),
    build: |fields| judged_by(fields, requests, judge),
    parse: Some(|url| {
        let mut url = url.clone();
        // Secret keys hold slashes, which Apprise's URLs may show: the region tells where they end.
        if let Some(end) = url.path.iter().position(|part| is_region(part))
            && end > 2
        {
            let secret: Vec<_> = url.path.drain(1..end).collect();
            url.path.insert(1, secret.join("/"));
        }
        // Apprise itself writes the session's token as a password.
        if let Some(token) = url.password.take() {
            url.query.entry("token".to_owned()).or_insert(token);
        }
        codec::parse(&SES, &url)
    }),
    ..Definition::PLAIN
};

/// Its refusals are XML, and one that passes has the status of one that stays.
fn judge(status: u16, body: &str) -> Option<Rejection> {
    if (200..300).contains(&status) {
        return None;
    }
    let code = element(body, "Code")?;
    let words = element(body, "Message").unwrap_or_else(|| "without a reason".to_owned());
    let is_later = [
        "Throttling",
        "ThrottlingException",
        "RequestThrottled",
        "ServiceUnavailable",
        "InternalFailure",
    ];
    Some(Rejection {
        why: format!("it refused: {}", cut(&format!("{words} ({code})"), 300)),
        is_transient: is_later.contains(&code.as_str()) || status >= 500,
        retry_after: None,
    })
}

/// As `eu-central-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [first, middle @ .., last] if !middle.is_empty() => {
            is_word(first) && middle.iter().all(|part| is_word(part)) && last.parse::<u8>().is_ok()
        }
        _ => false,
    }
}

fn requests(
    fields: &Fields,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let region = fields.text("region");
    if !is_region(region) {
        return Err(Misfit::new("region", "it is not of the form eu-central-1"));
    }
    let words = Words::of(message, SES.limits, Acknowledge::InText);
    let from = fields.text("from");
    let source = match fields.given("name") {
        Some(name) => {
            let name: String = name
                .chars()
                .filter(|c| !matches!(c, '"' | '<' | '>' | '\\'))
                .collect();
            format!("\"{name}\" <{from}>")
        }
        None => from.to_owned(),
    };
    let mut to = fields.list("to");
    if to.is_empty() {
        to.push(from);
    }
    let host = format!("email.{region}.amazonaws.com");
    let url = at(&format!("https://{host}/"), &[])?;
    let mut requests = Vec::new();
    for receiver in to {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "SendEmail")
            .append_pair("Version", "2010-12-01")
            .append_pair("Source", &source)
            .append_pair("Destination.ToAddresses.member.1", receiver)
            .append_pair("Message.Subject.Data", &words.title)
            .append_pair("Message.Subject.Charset", "UTF-8")
            .append_pair("Message.Body.Text.Data", &words.body)
            .append_pair("Message.Body.Text.Charset", "UTF-8");
        for (kind, key) in [("Cc", "cc"), ("Bcc", "bcc")] {
            for (index, address) in fields.list(key).into_iter().enumerate() {
                form.append_pair(
                    &format!("Destination.{kind}Addresses.member.{}", index + 1),
                    address,
                );
            }
        }
        if let Some(reply) = fields.given("reply") {
            form.append_pair("ReplyToAddresses.member.1", reply);
        }
        requests.push(signed(fields, &host, url.clone(), form.finish(), now)?);
    }
    Ok(requests)
}

const TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

fn keyed(key: &[u8], text: &str) -> Result<Vec<u8>, Misfit> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| Misfit::new("secret_key", "it cannot be used as a key"))?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn signed(
    fields: &Fields,
    host: &str,
    url: Url,
    text: String,
    now: DateTime<Utc>,
) -> Result<Request, Misfit> {
    let (day, time) = (
        now.format("%Y%m%d").to_string(),
        now.format("%Y%m%dT%H%M%SZ").to_string(),
    );
    let region = fields.text("region");
    let token = fields.given("token");
    let mut headers = format!("content-type:{TYPE}\nhost:{host}\nx-amz-date:{time}\n");
    let mut names = "content-type;host;x-amz-date".to_owned();
    if let Some(token) = token {
        let _ = writeln!(headers, "x-amz-security-token:{token}");
        names.push_str(";x-amz-security-token");
    }
    let digest = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
    let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", digest(&text));
    let scope = format!("{day}/{region}/ses/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(&canonical));
    let mut key = format!("AWS4{}", fields.text("secret_key")).into_bytes();
    for part in [day.as_str(), region, "ses", "aws4_request"] {
        key = keyed(&key, part)?;
    }
    let signature = hex::encode(keyed(&key, &to_sign)?);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        fields.text("access_key")
    );
    let mut request = Request {
        method: Method::POST,
        url,
        headers: Vec::new(),
        body: Body::Text {
            content_type: TYPE,
            text,
        },
    }
    .header("Authorization", authorization)
    .header("X-Amz-Date", time);
    if let Some(token) = token {
        request = request.header("X-Amz-Security-Token", token);
    }
    Ok(request)
}
