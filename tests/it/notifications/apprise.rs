//! What Apprise itself would send for the same URL: the same requests to the same places, for the same people.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use flowkeep::features::notifications::channels::apprise::{AppriseUrl, Target, definitions};
use flowkeep::features::notifications::channels::deliver;
use flowkeep::features::notifications::channels::form::Transport;
use flowkeep::platform::mail::Security;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::message;
use super::targets::{OTHERS, TARGETS};
use super::wire::{Noted, terms};

/// What is the message rather than the place in a query.
const WORDS: &[&str] = &[
    "title",
    "text",
    "icon",
    "url",
    "priority",
    "timestamp",
    "sign",
    "version",
    // Apprise has it in the body, where Discord does not look for it.
    "wait",
    "message",
    "type",
];
/// Who gets a message, by the names that services give it.
const PEOPLE: &[&str] = &[
    "chat_id",
    "message_thread_id",
    "channel",
    "roomId",
    "topic",
    "to",
    "To",
    "cc",
    "Cc",
    "bcc",
    "Bcc",
    "recipients",
    "number",
    "dst",
    "src",
    "From",
    "originator",
    "user",
    "device",
    "device_key",
    "device_iden",
    "channel_tag",
    "email",
    "deviceId",
    "responders",
    "routing_key",
    "source",
    "component",
    "entity_id",
    "atMobiles",
    "member",
    "integrationKey",
    "routingKey",
    "team_name",
    "apikey",
    "providerkey",
    "api_key",
    "tag",
    "targets",
    "Destination.ToAddresses.member.1",
];

/// Differences in who is named, with the reason.
const DIFFERENCES: &[(&str, &[&str], &str)] = &[
    (
        "discord",
        &[],
        "embeds instead of content: they have a colour and room for 4,096 characters",
    ),
    (
        "pushover",
        &[],
        "without devices Apprise names ALL_DEVICES, which Pushover takes as no name at all",
    ),
    (
        "opsgenie",
        &["responders", "source"],
        "one alert with all responders: alerts with the same alias are one",
    ),
    ("jira", &["responders", "source"], "as Opsgenie"),
    ("zulip", &["topic"], "the topic is the title there"),
    (
        "pushy",
        &["to"],
        "Pushy wants /topics/ in front of a topic; Apprise leaves it out",
    ),
    (
        "line",
        &[],
        "no sender's name: it needs a permission of the channel",
    ),
    (
        "smtp2go",
        &["api_key"],
        "the key goes into a header, where no log shows it",
    ),
    (
        "homeassistant_services",
        &["targets"],
        "Home Assistant calls the field target",
    ),
    ("splunk", &[], "the same entity"),
    (
        "ses",
        &["Destination.ToAddresses.member.1"],
        "SendEmail instead of SendRawEmail, so the fields have other names",
    ),
    (
        "apprise",
        &["tag"],
        "one field with commas, which older servers take too",
    ),
    (
        "ntfy",
        &["email", "priority"],
        "e-mail as a field instead of a header",
    ),
    ("mailgun", &[], "the text beside the HTML"),
    ("sendgrid", &[], "the text beside the HTML"),
    ("prowl", &[], "Flowkeep as the application"),
    ("json", &[], "the same fields"),
    (
        "pagerduty",
        &["src"],
        "no picture, and no token of the API: events need none",
    ),
    ("ilert", &["src"], "no picture"),
    ("firehydrant", &["src"], "no picture"),
];

/// Apprise gives other numbers of requests, with the reason.
const COUNTS: &[(&str, &str)] = &[("opsgenie", "one alert with all responders")];

/// Apprise 2.2.0 writes these otherwise, and the services document ours.
const FAULTS: &[(&str, &str, &str)] = &[("plivo", "{auth_id}", "aaaaaaaaaaaaaaaaaaaaaaaaa")];

/// Apprise asks for the second version of the API; the first is what every server takes, so it is ours.
fn for_apprise(name: &str, url: &str) -> String {
    match name {
        "apprise" => format!("{url}&version=1"),
        // It is not encrypted from here.
        "matrix" => format!("{url}?e2ee=no"),
        "matrix_login" => format!("{url}&e2ee=no"),
        _ => url.to_owned(),
    }
}

fn ask_apprise(urls: &[String]) -> Vec<Value> {
    asked(urls, "send")
}

/// Asks Apprise what it would `send`, or how it would `write` the same URLs.
fn asked(urls: &[String], what: &str) -> Vec<Value> {
    let root = env!("CARGO_MANIFEST_DIR");
    let python = std::env::var("FLOWKEEP_TEST_APPRISE").unwrap_or_else(|_| {
        #[expect(clippy::disallowed_methods, reason = "finds what the tests need")]
        let found = Command::new(format!("{root}/scripts/apprise"))
            .output()
            .unwrap();
        assert!(found.status.success(), "{found:?}");
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    });
    #[expect(clippy::disallowed_methods, reason = "Apprise itself")]
    let mut child = Command::new(python)
        .arg(format!("{root}/tests/it/notifications/apprise_oracle.py"))
        .arg(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(urls.join("\n").as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where a request goes: slashes at the end and doubled ones do not count, nor how a letter is encoded.
fn place(method: &str, url: &str) -> String {
    let url = Url::parse(url).unwrap();
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let path: Vec<_> = url
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .map(decode)
        .collect();
    // The number of a message in Matrix is the sender's own.
    let path = match path.iter().position(|part| part == "m.room.message") {
        Some(end) => path[..=end].to_vec(),
        None => path,
    };
    let mut query: Vec<_> = url
        .query_pairs()
        .filter(|(name, _)| !WORDS.contains(&name.as_ref()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    query.sort();
    format!(
        "{method} {} /{}?{}",
        url.origin().ascii_serialization(),
        path.join("/"),
        query.join("&")
    )
}

/// Logins and the like: Apprise asks for more than is needed.
fn is_preparation(place: &str) -> bool {
    let ends = [
        "/login?",
        "/logout?",
        "/register?kind=user",
        "/whoami?",
        "/matrix/client?",
        "/chat.getPermalink?",
    ];
    ends.iter().any(|end| place.ends_with(end)) || place.contains("/client/v3/join/")
}

fn people(body: &str, ignored: &[&str]) -> BTreeSet<String> {
    fn collect(value: &Value, name: &str, found: &mut BTreeSet<String>, ignored: &[&str]) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let is_named =
                        PEOPLE.contains(&key.as_str()) && !ignored.contains(&key.as_str());
                    let inside = PEOPLE.contains(&name) && !name.is_empty();
                    let name = if is_named {
                        key
                    } else if inside && key != "type" {
                        name
                    } else {
                        ""
                    };
                    collect(value, name, found, ignored);
                }
            }
            Value::Array(items) => items
                .iter()
                .for_each(|item| collect(item, name, found, ignored)),
            Value::Null => {}
            other if !name.is_empty() => {
                let text = other
                    .as_str()
                    .map_or_else(|| other.to_string(), ToOwned::to_owned);
                found.insert(text.replace('"', ""));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    if let Ok(value) = serde_json::from_str(body) {
        collect(&value, "", &mut found, ignored);
    } else if !body.starts_with('<') {
        for (name, value) in url::form_urlencoded::parse(body.as_bytes()) {
            if PEOPLE.contains(&name.as_ref()) && !ignored.contains(&name.as_ref()) {
                found.extend(value.split(',').map(|text| text.replace('"', "")));
            }
        }
    }
    found.remove("");
    found
}

async fn ours(url: &str, ignored: &[&str]) -> Vec<(String, BTreeSet<String>)> {
    let target = Target::read(url).unwrap_or_else(|misfit| panic!("{url}: {misfit}"));
    let Transport::Http(service) = target.build().unwrap() else {
        panic!("{url} is not HTTP");
    };
    let mut plain = message();
    "Title".clone_into(&mut plain.title);
    "Body".clone_into(&mut plain.body);
    plain.link = None;
    plain.acknowledge = None;
    let wire = Noted::default();
    deliver(&wire, service.as_ref(), &plain, &terms())
        .await
        .outcome
        .unwrap();
    let noted = wire.0.lock().unwrap();
    let mut requests: Vec<_> = noted
        .iter()
        .map(|request| {
            let body = String::from_utf8(request.body.clone()).unwrap();
            (
                place(request.method.as_str(), request.url.as_str()),
                people(&body, ignored),
            )
        })
        .filter(|(place, _)| !is_preparation(place))
        .collect();
    requests.sort();
    requests
}

fn theirs(name: &str, said: &Value, ignored: &[&str]) -> Vec<(String, BTreeSet<String>)> {
    let Some(requests) = said["requests"].as_array() else {
        return vec![(said.to_string(), BTreeSet::new())];
    };
    let mut requests: Vec<_> = requests
        .iter()
        .map(|request| {
            let mut place = place(
                request["method"].as_str().unwrap(),
                request["url"].as_str().unwrap(),
            );
            for (_, wrong, right) in FAULTS.iter().filter(|fault| fault.0 == name) {
                place = place.replace(wrong, right);
            }
            (
                place,
                people(request["body"].as_str().unwrap_or_default(), ignored),
            )
        })
        .filter(|(place, _)| !is_preparation(place))
        .collect();
    requests.sort();
    requests
}

#[tokio::test]
async fn the_same_requests_go_to_the_same_places_for_the_same_people() {
    let urls: Vec<_> = TARGETS
        .iter()
        .map(|(name, url)| for_apprise(name, url))
        .collect();
    let answers = ask_apprise(&urls);
    let mut wrong = Vec::new();
    for ((name, url), said) in TARGETS.iter().zip(&answers) {
        let difference = DIFFERENCES.iter().find(|difference| difference.0 == *name);
        let ignored = difference.map_or(&[][..], |difference| difference.1);
        let (mut ours, mut theirs) = (ours(url, ignored).await, theirs(name, said, ignored));
        if COUNTS.iter().any(|count| count.0 == *name) {
            ours.dedup();
            theirs.dedup();
        }
        if ours != theirs {
            wrong.push(format!("{name}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn brokers_and_mail_servers_are_the_same() {
    let urls: Vec<_> = OTHERS.iter().map(|url| (*url).to_owned()).collect();
    for (url, said) in OTHERS.iter().zip(ask_apprise(&urls)) {
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        let theirs = |name: &str| -> Vec<String> {
            let list = said[name]
                .as_array()
                .unwrap_or_else(|| panic!("{url}: {said}"));
            sorted(
                list.iter()
                    .map(|item| item.as_str().unwrap().to_owned())
                    .collect(),
            )
        };
        let name_and_password = (
            said["user"].as_str().unwrap_or_default(),
            said["password"].as_str().unwrap_or_default(),
        );
        let (host, port) = match Target::read(url).unwrap().build().unwrap() {
            Transport::Http(_) | Transport::Mailbox(_) => panic!("{url} names no server"),
            Transport::Mqtt(route) => {
                assert_eq!(sorted(route.topics.clone()), theirs("topics"), "{url}");
                assert_eq!(said["qos"], route.qos, "{url}");
                assert_eq!(said["retain"], route.is_retained, "{url}");
                assert_eq!(said["tls"], route.is_tls, "{url}");
                if let Some((name, password)) = &route.login {
                    assert_eq!(
                        (name.as_str(), password.expose_secret()),
                        name_and_password,
                        "{url}"
                    );
                }
                (route.host, Some(route.port))
            }
            Transport::Mail(route) => {
                let server = route.server;
                let mode = match server.security {
                    Security::None => "insecure",
                    Security::StartTls => "starttls",
                    Security::Tls => "ssl",
                };
                assert_eq!(said["mode"], mode, "{url}");
                assert_eq!(said["from"], route.from, "{url}");
                assert_eq!(sorted(route.to), theirs("to"), "{url}");
                assert_eq!(sorted(route.cc), theirs("cc"), "{url}");
                assert_eq!(sorted(route.bcc), theirs("bcc"), "{url}");
                // Apprise signs in if it has both.
                let is_signing_in =
                    !name_and_password.0.is_empty() && !name_and_password.1.is_empty();
                let login = server.login.as_ref();
                assert_eq!(
                    login.map(|(name, password)| (name.as_str(), password.expose_secret())),
                    is_signing_in.then_some(name_and_password),
                    "{url}"
                );
                (server.host, Some(server.port))
            }
        };
        assert_eq!(said["host"], host, "{url}");
        // For MQTT Apprise chooses the usual port when it connects.
        if !said["port"].is_null() {
            assert_eq!(said["port"].as_u64(), port.map(u64::from), "{url}");
        }
    }
}

#[test]
fn apprise_reads_the_urls_that_are_written_here() {
    let written: Vec<_> = TARGETS
        .iter()
        .filter(|(name, _)| !matches!(*name, "apprise_2"))
        .map(|(name, url)| for_apprise(name, &Target::read(url).unwrap().write()))
        .collect();
    let given: Vec<_> = TARGETS
        .iter()
        .filter(|(name, _)| !matches!(*name, "apprise_2"))
        .map(|(name, url)| for_apprise(name, url))
        .collect();
    let (written_said, given_said) = (ask_apprise(&written), ask_apprise(&given));
    for ((url, written), given) in given.iter().zip(written_said).zip(given_said) {
        let (written, given) = (theirs(url, &written, &[]), theirs(url, &given, &[]));
        assert_eq!(written, given, "{url}");
    }
}

/// What Apprise 2.2.0 leaves out of the URL that it writes, so that nobody could read it there: a token in the query.
const LOST: &[&str] = &["ntfy_cloud"];

#[test]
fn the_urls_that_apprise_writes_mean_the_same_here() {
    let urls: Vec<_> = TARGETS
        .iter()
        .map(|(name, url)| (*name, for_apprise(name, url)))
        .chain(OTHERS.iter().map(|url| ("other", (*url).to_owned())))
        .collect();
    let given: Vec<_> = urls.iter().map(|(_, url)| url.clone()).collect();
    let mut wrong = Vec::new();
    for ((name, url), said) in urls.iter().zip(asked(&given, "write")) {
        let written = said.as_str().unwrap_or_else(|| panic!("{url}: {said}"));
        let read = match Target::read(written) {
            Ok(read) => read,
            Err(misfit) => {
                wrong.push(format!("{name}: {written}: {misfit}"));
                continue;
            }
        };
        let ours = Target::read(url).unwrap();
        assert_eq!(read.definition.id, ours.definition.id, "{written}");
        let (ours, theirs) = (ours.secrets(), read.secrets());
        if (ours != theirs) != LOST.contains(name) {
            wrong.push(format!("{name}: {written}: {ours:?} and {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scheme_is_one_of_apprises() {
    let urls = TARGETS.iter().map(|(_, url)| *url);
    let urls: Vec<_> = urls.chain(OTHERS.iter().copied()).collect();
    let examples: Vec<_> = definitions()
        .iter()
        .flat_map(|definition| {
            let is_its = |url: &&&str| Target::read(url).unwrap().definition.id == definition.id;
            let url = urls.iter().find(is_its).unwrap();
            let (_, rest) = url.split_once("://").unwrap();
            let schemes = definition.schemes.iter().chain(definition.aliases);
            schemes.map(move |scheme| format!("{scheme}://{rest}"))
        })
        .collect();
    // These two are Flowkeep's own names for what Apprise calls tgram and pover.
    let own = ["telegram://", "pushover://"];
    for (url, said) in examples.iter().zip(asked(&examples, "write")) {
        let is_known = said.is_string();
        let is_own = own.iter().any(|scheme| url.starts_with(scheme));
        assert_eq!(is_known, !is_own, "{url}: {said}");
        assert!(Target::read(url).is_ok(), "{url}");
    }
}

#[test]
fn what_is_read_is_written_and_read_again_the_same() {
    let urls = TARGETS
        .iter()
        .map(|(_, url)| *url)
        .chain(OTHERS.iter().copied());
    let examples = definitions().iter().map(|definition| definition.example);
    for url in urls.chain(examples) {
        let read = Target::read(url).unwrap_or_else(|misfit| panic!("{url}: {misfit}"));
        read.build()
            .unwrap_or_else(|misfit| panic!("{url}: {misfit}"));
        let written = read.write();
        let again = Target::read(&written).unwrap_or_else(|misfit| panic!("{written}: {misfit}"));
        assert_eq!(again.fields, read.fields, "{url} became {written}");
        assert_eq!(again.write(), written);
        let fields = read.fields.0.clone().into_iter().collect();
        let formed = Target::from_fields(read.definition.id, &fields).unwrap();
        assert_eq!(formed.fields, read.fields, "{url}");
    }
}

#[test]
fn fields_have_names_of_their_own_and_words_for_people() {
    for definition in definitions() {
        let mut keys = BTreeSet::new();
        for field in definition.fields {
            assert!(
                keys.insert(field.key),
                "{} twice in {}",
                field.key,
                definition.id
            );
            assert!(
                !field.label.is_empty(),
                "{} of {}",
                field.key,
                definition.id
            );
        }
        assert!(definition.docs.starts_with("https://"), "{}", definition.id);
    }
}

#[test]
fn every_scheme_is_in_the_documentation() {
    let docs = include_str!("../../../docs/notification-services.md");
    for definition in definitions() {
        for scheme in definition.schemes.iter().chain(definition.aliases) {
            assert!(
                docs.contains(&format!("`{scheme}://")),
                "{scheme}:// is not documented"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_url_that_is_written_is_read_the_same(
        scheme in "[a-z]{2,8}",
        user in proptest::option::of("[^\\p{C}\\s]{1,12}"),
        password in proptest::option::of("[^\\p{C}\\s]{1,12}"),
        host in "[^\\p{C}\\s]{1,16}",
        port in proptest::option::of(1_u16..),
        path in proptest::collection::vec("[^\\p{C}\\s]{1,12}", 0..4),
        query in proptest::collection::btree_map("[+:-][^\\p{C}\\s]{1,8}|[a-z_]{1,8}", "[^\\p{C}\\s]{0,12}", 0..4),
    ) {
        let url = AppriseUrl { scheme, user, password, host, port, path, query };
        let written = url.write();
        prop_assert_eq!(AppriseUrl::read(&written).unwrap(), url, "{}", written);
    }

    #[test]
    fn any_text_is_read_or_refused_but_never_a_panic(text in ".{0,200}", scheme in "[a-z0-9]{1,10}") {
        let _ = Target::read(&text);
        let _ = Target::read(&format!("{scheme}://{text}"));
        for definition in definitions() {
            if let Ok(target) = Target::read(&format!("{}://{text}", definition.schemes[0])) {
                let _ = target.build();
                let again = Target::read(&target.write());
                prop_assert_eq!(&again.unwrap().fields, &target.fields, "{}", target.write());
            }
        }
    }
}
