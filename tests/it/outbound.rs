//! Where requests may go that people ask for: every way around the policy that is known.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use flowkeep::platform::outbound::{
    Answer, MOST_SENT, Names, Outbound, Outgoing, Policy, Refusal, Unreached, Wire,
};
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::receiver::{Receiver, status};

/// Answers with one address after the other, the last one over and over.
struct Told {
    addresses: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Names for Told {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let at = self
            .asked
            .fetch_add(1, Ordering::SeqCst)
            .min(self.addresses.len() - 1);
        let found = self.addresses[at].clone();
        Box::pin(async move { Ok(found) })
    }
}

fn told(addresses: &[&[&str]]) -> Arc<Told> {
    let parse = |list: &&[&str]| list.iter().map(|one| one.parse().unwrap()).collect();
    Arc::new(Told {
        addresses: addresses.iter().map(parse).collect(),
        asked: AtomicUsize::new(0),
    })
}

fn outbound(names: Arc<Told>, allow_private: bool) -> Outbound {
    Outbound::new(names, move || Policy { allow_private })
}

fn get(url: &str) -> Outgoing {
    Outgoing {
        method: http::Method::GET,
        url: url.parse().unwrap(),
        headers: Vec::new(),
        body: Vec::new(),
        is_verified: true,
        timeout: Duration::from_secs(5),
    }
}

async fn ask(outbound: &Outbound, url: &str) -> Result<Answer, Unreached> {
    outbound.exchange(get(url)).await
}

/// With private networks not allowed, each of these is refused before a byte is sent.
pub const HOSTILE: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://3232235777/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/",
    "http://2852039166/",
    "http://0xA9FEA9FE/",
    "http://0251.0376.0251.0376/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::1]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd00:ec2::23]/",
    "http://[fd00:ec2::53]/",
    "http://[fd20:ce::254]/",
    "http://[fd00:c1::a9fe:a9fe]/opc/v2/",
    "http://[fd00:42::42]/",
    "http://[fd00:a9fe:a9fe::1]/v1/",
    "http://[fd00:100::100:200]/latest/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[100::1]/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://METADATA.google.internal./",
    "http://metadata/",
    "http://good.example@127.0.0.1/",
    "http://good.example:80@169.254.169.254/",
    "http://user:password@good.example/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "ftp://good.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "http://good.example:22/",
    "http://good.example:25/",
    "https://good.example:6667/",
];

#[tokio::test]
async fn ssrf_every_hostile_url_is_refused_before_a_byte_is_sent() {
    let outbound = outbound(told(&[&["93.184.216.34"]]), false);
    assert!(HOSTILE.len() >= 40);
    for url in HOSTILE {
        let answer = ask(&outbound, url).await;
        assert!(
            matches!(answer, Err(Unreached::Refused(_))),
            "{url}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn ssrf_metadata_and_reserved_addresses_are_refused_also_where_private_ones_are_allowed() {
    let outbound = outbound(told(&[&["93.184.216.34"]]), true);
    let private = [
        "127.",
        "127。",
        "0x7f",
        "0177.",
        "017700000001",
        "2130706433",
        "10.",
        "172.",
        "192.168.",
        "3232235777",
        "100.64.",
        "[::1]",
        "[::ffff:127",
        "[::ffff:7f00",
        "[64:ff9b::7f00",
        "[2002:7f00",
        "[fc00",
        "①",
    ];
    let is_private = |url: &&&str| {
        let host = url.split("://").nth(1).unwrap();
        private.iter().any(|begin| host.starts_with(begin))
    };
    let always: Vec<_> = HOSTILE.iter().filter(|url| !is_private(url)).collect();
    assert!(always.len() > 30);
    for url in always {
        let answer = ask(&outbound, url).await;
        assert!(
            matches!(answer, Err(Unreached::Refused(_))),
            "{url}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn ssrf_a_name_is_judged_by_every_address_it_has() {
    for (addresses, what) in [
        (&["10.0.0.5"][..], "private"),
        (&["93.184.216.34", "127.0.0.1"], "one of them private"),
        (&["169.254.169.254"], "metadata"),
        (&["fd00:ec2::254"], "metadata over IPv6"),
        (&["::ffff:10.0.0.1"], "mapped"),
    ] {
        let outbound = outbound(told(&[addresses]), false);
        let answer = ask(&outbound, "http://innocent.example/").await;
        assert!(
            matches!(answer, Err(Unreached::Refused(_))),
            "{what}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn ssrf_a_name_that_changes_is_asked_once_and_the_address_that_was_checked_is_used() {
    let receiver = Receiver::start().await;
    let port = receiver.url.rsplit(':').next().unwrap().to_owned();
    // The first answer is allowed; a second one would be the attack.
    let names = told(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let outbound = outbound(Arc::clone(&names), true);
    let answer = ask(&outbound, &format!("http://rebinding.example:{port}/"))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert_eq!(
        receiver.came()[0].header("host"),
        format!("rebinding.example:{port}")
    );

    let names = told(&[&["169.254.169.254"], &["127.0.0.1"]]);
    let outbound = self::outbound(names, true);
    let refused = ask(&outbound, &format!("http://rebinding.example:{port}/")).await;
    assert!(
        matches!(refused, Err(Unreached::Refused(Refusal::Metadata(_)))),
        "{refused:?}"
    );
    assert_eq!(receiver.came().len(), 1);
}

#[tokio::test]
async fn ssrf_a_redirect_is_not_followed() {
    let inside = Receiver::start().await;
    let target = format!("{}/secret", inside.url);
    let outside = Receiver::answering(move |_, _| {
        let mut redirect = status(302);
        redirect
            .headers_mut()
            .insert("location", target.parse().unwrap());
        redirect
    })
    .await;
    let outbound = outbound(told(&[&["127.0.0.1"]]), true);
    let answer = ask(&outbound, &outside.url).await.unwrap();
    assert_eq!(answer.status, 302);
    assert!(inside.came().is_empty());
}

#[tokio::test]
async fn ssrf_a_connection_that_was_allowed_is_not_used_when_it_is_no_more() {
    let receiver = Receiver::start().await;
    let port = receiver.url.rsplit(':').next().unwrap().to_owned();
    let is_allowed = Arc::new(AtomicBool::new(true));
    let allowed = Arc::clone(&is_allowed);
    let outbound = Outbound::new(told(&[&["127.0.0.1"]]), move || Policy {
        allow_private: allowed.load(Ordering::SeqCst),
    });
    let url = format!("http://inside.example:{port}/");
    assert_eq!(ask(&outbound, &url).await.unwrap().status, 200);
    is_allowed.store(false, Ordering::SeqCst);
    let refused = ask(&outbound, &url).await;
    assert!(
        matches!(refused, Err(Unreached::Refused(Refusal::Private(_)))),
        "{refused:?}"
    );
    assert_eq!(receiver.came().len(), 1);
    is_allowed.store(true, Ordering::SeqCst);
    assert_eq!(ask(&outbound, &url).await.unwrap().status, 200);
}

#[tokio::test]
async fn what_no_header_can_hold_is_not_tried_again() {
    let outbound = outbound(told(&[&["127.0.0.1"]]), true);
    let mut odd = get("http://good.example/");
    odd.headers
        .push(("X-Token".to_owned(), "t\u{f6}ken\n".to_owned()));
    let unwritable = outbound.exchange(odd).await.unwrap_err();
    assert!(unwritable.is_lasting(), "{unwritable:?}");
    assert!(!unwritable.to_string().contains("ken"), "{unwritable}");
}

#[tokio::test]
async fn f57_a_body_without_end_is_cut_and_one_that_stalls_times_out() {
    let endless = Receiver::answering(|_, _| {
        let pieces =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 16 * 1024]));
        axum::response::Response::new(Body::from_stream(pieces))
    })
    .await;
    let outbound = outbound(told(&[&["127.0.0.1"]]), true);
    let answer = ask(&outbound, &endless.url).await.unwrap();
    assert_eq!(answer.body.len(), 64 * 1024);

    let stalling = Receiver::answering(|_, _| {
        let never = futures_util::stream::pending::<std::io::Result<Vec<u8>>>();
        axum::response::Response::new(Body::from_stream(never))
    })
    .await;
    let outgoing = Outgoing {
        timeout: Duration::from_millis(200),
        ..get(&stalling.url)
    };
    let answer = outbound.exchange(outgoing).await;
    assert_eq!(answer, Err(Unreached::TimedOut(Duration::from_millis(200))));

    let large = Outgoing {
        method: http::Method::POST,
        body: vec![b'x'; MOST_SENT + 1],
        ..get(&endless.url)
    };
    assert_eq!(
        outbound.exchange(large).await,
        Err(Unreached::TooLarge(MOST_SENT + 1))
    );
}

#[tokio::test]
async fn f57_how_long_a_server_asks_to_be_left_alone_is_read_in_every_form() {
    let forms = [
        ("7", None, Some(7)),
        ("0.5", None, Some(0)),
        (
            "Sun, 01 Mar 2026 12:00:30 GMT",
            Some("Sun, 01 Mar 2026 12:00:00 GMT"),
            Some(30),
        ),
        ("99999999", None, Some(86_400)),
        ("soon", None, None),
        ("-5", None, None),
    ];
    for (value, date, seconds) in forms {
        let receiver = Receiver::answering(move |_, _| {
            let mut busy = status(429);
            busy.headers_mut()
                .insert("retry-after", value.parse().unwrap());
            if let Some(date) = date {
                busy.headers_mut().insert("date", date.parse().unwrap());
            }
            busy
        })
        .await;
        let outbound = outbound(told(&[&["127.0.0.1"]]), true);
        let answer = ask(&outbound, &receiver.url).await.unwrap();
        assert_eq!(
            answer.retry_after.map(|wait| wait.as_secs()),
            seconds,
            "{value}"
        );
    }
}

#[tokio::test]
async fn who_does_not_answer_comes_with_what_to_look_at() {
    let outbound = Outbound::new(Arc::new(flowkeep::platform::outbound::SystemNames), || {
        Policy {
            allow_private: true,
        }
    });
    let why = async |url: &str| outbound.exchange(get(url)).await.unwrap_err().to_string();

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let refused = why(&format!("http://{address}/")).await;
    assert!(refused.contains("check the port"), "{refused}");

    let unknown = why("http://no-such-host.invalid/").await;
    assert!(unknown.contains("Check its spelling"), "{unknown}");

    let plain = Receiver::start().await;
    let mixed = why(&plain.url.replace("http://", "https://")).await;
    assert!(
        mixed.contains("TLS") || mixed.contains("mixed up"),
        "{mixed}"
    );
}

#[tokio::test]
async fn what_the_administrator_runs_may_be_near_and_is_never_a_metadata_service() {
    let receiver = Receiver::start().await;
    let near = Outbound::near();
    assert_eq!(near.exchange(get(&receiver.url)).await.unwrap().status, 200);
    for url in [
        "http://169.254.169.254/latest",
        "http://metadata.google.internal/",
        "http://[fd00:ec2::254]/",
    ] {
        let refused = near.exchange(get(url)).await;
        assert!(
            matches!(refused, Err(Unreached::Refused(Refusal::Metadata(_)))),
            "{url}: {refused:?}"
        );
    }
    let (_app, client) = TestApp::with_admin().await;
    let body = json!({ "url": "http://169.254.169.254/", "key": "a-key-that-must-not-go-there" });
    let refused = client.put("/api/n8n/api", body).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.text().contains("metadata"), "{refused:?}");
    let ping = json!({ "value": "http://metadata.google.internal/ping" });
    let refused = client.put("/api/settings/backups.ping_url", ping).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.text().contains("metadata"), "{refused:?}");
}
