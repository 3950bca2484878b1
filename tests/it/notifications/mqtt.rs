//! MQTT, with a real broker.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flowkeep::features::notifications::channels::Parts;
use flowkeep::features::notifications::channels::apprise::Target;
use flowkeep::features::notifications::channels::form::Transport;
use flowkeep::features::notifications::channels::mqtt::MqttRoute;
use flowkeep::platform::outbound::{Outbound, Policy, SystemNames};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::message;

struct Broker {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(program: &str, args: &[&str]) {
    #[expect(clippy::disallowed_methods, reason = "sets a server of the tests up")]
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

impl Broker {
    async fn start(is_tls: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let passwords = path("passwords");
        run(
            "mosquitto_passwd",
            &["-b", "-c", &passwords, "box", "s3cr3t-word"],
        );
        let mut tls = String::new();
        if is_tls {
            let (key, cert) = (path("key.pem"), path("cert.pem"));
            run(
                "openssl",
                &[
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                    "-days",
                    "36500",
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost",
                    "-keyout",
                    &key,
                    "-out",
                    &cert,
                ],
            );
            tls = format!("certfile {cert}\nkeyfile {key}\n");
        }
        // The broker takes no port 0; between asking for a free one and taking it nobody else does here.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let user = if rustix::process::getuid().is_root() {
            "user root\n"
        } else {
            ""
        };
        let config = format!(
            "{user}listener {port} 127.0.0.1\n{tls}allow_anonymous false\npassword_file {passwords}\n\
             persistence true\npersistence_location {}/\nlog_type none\n",
            dir.path().display()
        );
        std::fs::write(path("config"), config).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
        let mut command = Command::new("/usr/sbin/mosquitto");
        command
            .args(["-c", &path("config")])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let this = Self { dir, port, child };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        this
    }

    fn route(&self, url: &str) -> MqttRoute {
        let url = url.replace("PORT", &self.port.to_string());
        let Transport::Mqtt(route) = Target::read(&url).unwrap().build().unwrap() else {
            panic!("it is MQTT");
        };
        route
    }

    /// What the broker kept on its disk when it ended.
    fn kept(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
        let bytes = std::fs::read(self.dir.path().join("mosquitto.db")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn outbound() -> Outbound {
    Outbound::new(Arc::new(SystemNames), || Policy {
        allow_private: true,
    })
}

#[tokio::test]
async fn a_broker_takes_a_message_for_every_topic() {
    for qos in [0, 1, 2] {
        let broker = Broker::start(false).await;
        let url = format!(
            "mqtt://box:s3cr3t-word@127.0.0.1:PORT/box/alerts,box/other?qos={qos}&retain=yes"
        );
        broker
            .route(&url)
            .publish(&outbound(), &message(), Parts::default())
            .await
            .outcome
            .unwrap();
        let kept = broker.kept();
        for topic in ["box/alerts", "box/other"] {
            assert!(kept.contains(topic), "{qos}");
        }
        assert!(
            kept.contains("Backup <failed> & \"late\"\nIt's *one*"),
            "{qos}"
        );
        assert!(
            kept.contains("Acknowledge: https://box.example.org/ack/"),
            "{qos}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_and_not_told() {
    let broker = Broker::start(false).await;
    let route = broker.route("mqtt://box:wrong-word@127.0.0.1:PORT/box/alerts");
    let undelivered = route
        .publish(&outbound(), &message(), Parts::default())
        .await
        .outcome
        .unwrap_err();
    assert!(!undelivered.is_transient, "{undelivered:?}");
    assert!(!undelivered.why.contains("wrong-word"), "{undelivered:?}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_tried_again() {
    let broker = Broker::start(false).await;
    let route = broker.route("mqtt://127.0.0.1:PORT/box/alerts");
    drop(broker);
    let undelivered = route
        .publish(&outbound(), &message(), Parts::default())
        .await
        .outcome
        .unwrap_err();
    assert!(undelivered.is_transient, "{undelivered:?}");
}

#[tokio::test]
async fn a_certificate_of_nobody_is_refused_unless_it_may_be() {
    let broker = Broker::start(true).await;
    let url = "mqtts://box:s3cr3t-word@localhost:PORT/box/alerts?qos=1";
    let undelivered = broker
        .route(url)
        .publish(&outbound(), &message(), Parts::default())
        .await
        .outcome
        .unwrap_err();
    assert!(!undelivered.is_transient, "{undelivered:?}");
    let lax = broker.route(&format!("{url}&verify=no"));
    lax.publish(&outbound(), &message(), Parts::default())
        .await
        .outcome
        .unwrap();
}

#[tokio::test]
async fn private_brokers_are_not_asked_where_that_is_not_allowed() {
    let broker = Broker::start(false).await;
    let strict = Outbound::new(Arc::new(SystemNames), Policy::default);
    let route = broker.route("mqtt://box:s3cr3t-word@127.0.0.1:PORT/box/alerts");
    let undelivered = route
        .publish(&strict, &message(), Parts::default())
        .await
        .outcome
        .unwrap_err();
    assert!(
        !undelivered.is_transient && undelivered.why.contains("private"),
        "{undelivered:?}"
    );
}

/// Lets clients in, confirms as many messages as it is told, and then closes the connection or just keeps it.
async fn odd_broker(confirmed: u8, closes: bool) -> MqttRoute {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4_096];
            let _ = stream.read(&mut bytes).await;
            stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
            let mut got = 0;
            while got < confirmed {
                let read = stream.read(&mut bytes).await.unwrap_or(0);
                if read == 0 {
                    break;
                }
                // The id follows the topic: two letters' length, then as many letters.
                let start = usize::from(bytes[1] >= 0x80) + 2;
                let topic = usize::from(bytes[start + 1]);
                let id = bytes[start + 2 + topic + 1];
                let _ = stream.write_all(&[0x40, 2, 0, id]).await;
                got += 1;
            }
            if !closes {
                kept.push(stream);
            }
        }
    });
    let url = format!("mqtt://127.0.0.1:{port}/one,two?qos=1");
    let Transport::Mqtt(route) = Target::read(&url).unwrap().build().unwrap() else {
        panic!("it is MQTT");
    };
    route
}

#[tokio::test]
async fn what_a_broker_confirmed_is_sent_also_if_it_keeps_the_connection() {
    let route = odd_broker(2, false).await;
    let began = Instant::now();
    route
        .publish(&outbound(), &message(), Parts::default())
        .await
        .outcome
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_topic_that_has_the_message_does_not_get_it_again() {
    let route = odd_broker(1, true).await;
    let undelivered = route
        .publish(&outbound(), &message(), Parts::default())
        .await
        .outcome
        .unwrap_err();
    assert!(undelivered.is_transient, "{undelivered:?}");
    assert_eq!(undelivered.parts, Parts::first(1));
    // There is one to confirm now, and it confirms one.
    let sent = route
        .publish(&outbound(), &message(), undelivered.parts)
        .await
        .outcome;
    assert!(sent.is_ok(), "{sent:?}");
}

#[tokio::test]
async fn a_port_of_another_service_is_not_asked() {
    let Transport::Mqtt(route) = Target::read("mqtt://127.0.0.1:25/box")
        .unwrap()
        .build()
        .unwrap()
    else {
        panic!("it is MQTT");
    };
    let refused = route
        .publish(&outbound(), &message(), Parts::default())
        .await
        .outcome
        .unwrap_err();
    assert!(
        !refused.is_transient && refused.why.contains("port 25"),
        "{refused:?}"
    );
}
