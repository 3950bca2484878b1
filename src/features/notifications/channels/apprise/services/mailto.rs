//! E-mail over a server that the URL names.

use super::prelude::*;
use crate::features::notifications::channels::mail::MailRoute;
use crate::platform::mail::{MailServer, Security};

/// E-mail over SMTP.
pub static MAILTO: Definition = Definition {
    id: "mailto",
    name: "E-mail over another server",
    schemes: &["mailto", "mailtos"],
    docs: "https://appriseit.com/services/email/",
    example: "mailtos://user:password@example.org?to=admin@example.com",
    fields: &[
        Field::text("host", "Domain", Place::Host)
            .required()
            .help("Of the sender's address, and the server unless another is given.")
            .example("example.org"),
        Field::integer("port", "Port", (1, 65_535), Place::Port)
            .help("Empty: 587 (STARTTLS), 465 (TLS) or 25."),
        TLS,
        Field::text("user", "User name", Place::User),
        PASSWORD,
        Field::text("smtp", "Server", Place::Query("smtp"))
            .help("Empty: the domain, or that of a known provider."),
        Field::choice(
            "mode",
            "Encryption",
            &["starttls", "ssl", "insecure"],
            Place::Query("mode"),
        )
        .help("Empty: STARTTLS with TLS, else none."),
        Field::text("from", "From", Place::Query("from")).help("Empty: user name and domain."),
        Field::text("name", "Shown as", Place::Query("name")),
        Field::list("to", "To", Place::Targets(0)).help("Addresses. Empty: the sender's own."),
        Field::list("cc", "Copy to", Place::Query("cc")),
        Field::list("bcc", "Blind copy to", Place::Query("bcc")),
        Field::text("reply", "Answers to", Place::Query("reply")),
    ],
    limits: Limits::new(250, 15_000, 1_000),
    build: |fields| Ok(Transport::Mail(route(fields)?)),
    parse: Some(|url| {
        let mut url = url.clone();
        // With an address as the user, Apprise needs no host: mailtos://me%40example.org:password@
        if url.host.is_empty()
            && let Some((_, domain)) = url.user.as_deref().and_then(|user| user.split_once('@'))
        {
            url.host = domain.to_owned();
        }
        codec::parse(&MAILTO, &url)
    }),
    ..Definition::PLAIN
};

/// A provider whose server is known: domains, server, port, how it is spoken to, and whether it wants the whole
/// address as the name.
type Provider = (&'static [&'static str], &'static str, u16, Security, bool);

const PROVIDERS: &[Provider] = &[
    (
        &["gmail.com"],
        "smtp.gmail.com",
        587,
        Security::StartTls,
        true,
    ),
    (
        &[
            "yandex.com",
            "yandex.ru",
            "yandex.ua",
            "yandex.by",
            "yandex.kz",
        ],
        "smtp.yandex.ru",
        465,
        Security::Tls,
        false,
    ),
    (
        &["hotmail.com", "live.com", "hotmail.com.au", "live.com.au"],
        "smtp-mail.outlook.com",
        587,
        Security::StartTls,
        true,
    ),
    (
        &["outlook.com", "outlook.com.au"],
        "smtp.outlook.com",
        587,
        Security::StartTls,
        true,
    ),
    (
        &["office365.com"],
        "smtp.office365.com",
        587,
        Security::StartTls,
        true,
    ),
    (
        &["yahoo.com", "yahoo.ca"],
        "smtp.mail.yahoo.com",
        465,
        Security::Tls,
        true,
    ),
    (
        &["gmx.com", "gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.fr"],
        "mail.gmx.com",
        587,
        Security::StartTls,
        true,
    ),
    (
        &["fastmail.com", "fastmail.fm"],
        "smtp.fastmail.com",
        465,
        Security::Tls,
        true,
    ),
    (
        &["zoho.com", "zohomail.com"],
        "smtp.zoho.com",
        587,
        Security::StartTls,
        true,
    ),
    (&["163.com"], "smtp.163.com", 465, Security::Tls, true),
    (
        &["qq.com", "foxmail.com"],
        "smtp.qq.com",
        587,
        Security::StartTls,
        true,
    ),
    (
        &["comcast.net"],
        "smtp.comcast.net",
        465,
        Security::Tls,
        true,
    ),
];

fn route(fields: &Fields) -> Result<MailRoute, Misfit> {
    let domain = fields.text("host");
    let user = fields.given("user");
    let provider = PROVIDERS
        .iter()
        .find(|provider| provider.0.contains(&domain))
        .filter(|_| fields.given("smtp").is_none());
    let security = match (fields.text("mode"), provider) {
        ("ssl", _) => Security::Tls,
        ("starttls", _) => Security::StartTls,
        ("insecure", _) => Security::None,
        (_, Some(provider)) => provider.3,
        _ if fields.is_on("tls") => Security::StartTls,
        _ => Security::None,
    };
    let usual = match security {
        Security::Tls => 465,
        Security::StartTls => 587,
        Security::None => 25,
    };
    let given = fields
        .integer("port")
        .and_then(|port| u16::try_from(port).ok());
    let port = given
        .or(provider.map(|provider| provider.2))
        .unwrap_or(usual);
    let host = fields
        .given("smtp")
        .or(provider.map(|provider| provider.1))
        .unwrap_or(domain);
    // As Apprise does: a name without a password is the sender's, and nobody signs in.
    let login = user.zip(fields.given("password")).map(|(user, password)| {
        let name = match provider {
            Some((.., true)) if !user.contains('@') => format!("{user}@{domain}"),
            Some((.., false)) => user.split('@').next().unwrap_or(user).to_owned(),
            _ => user.to_owned(),
        };
        (name, password.to_owned().into())
    });
    let own = user.map(|user| format!("{}@{domain}", user.split('@').next().unwrap_or(user)));
    let is_mail = |text: &&str| text.contains('@');
    let from = fields
        .given("from")
        .filter(is_mail)
        .map(ToOwned::to_owned)
        .or(own);
    let from = from.ok_or_else(|| Misfit::new("from", "an address to send from is needed"))?;
    // Apprise reads a word without @ as the name.
    let name = fields
        .given("name")
        .or_else(|| fields.given("from").filter(|from| !is_mail(from)));
    let list = |key: &str| -> Vec<String> {
        fields
            .list(key)
            .into_iter()
            .map(ToOwned::to_owned)
            .collect()
    };
    let mut to = list("to");
    if to.is_empty() {
        to.push(from.clone());
    }
    Ok(MailRoute {
        server: MailServer {
            host: host.to_owned(),
            port,
            security,
            is_verified: true,
            login,
        },
        from: match name {
            Some(name) if !from.contains('<') => {
                let name: String = name
                    .chars()
                    .filter(|c| !matches!(c, '"' | '<' | '>' | '\\'))
                    .collect();
                format!("\"{name}\" <{from}>")
            }
            _ => from,
        },
        to,
        cc: list("cc"),
        bcc: list("bcc"),
        reply_to: fields.given("reply").map(ToOwned::to_owned),
    })
}
