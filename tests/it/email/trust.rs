//! Whom the program itself trusts: what the machine trusts, and only under the name that is asked.

use mailin::AuthMechanism;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use super::{allow_private, config, with_admin};
use crate::support::daemon::{Daemon, command};
use crate::support::smtp::{Behaviour, Encryption, SmtpServer};

#[tokio::test]
async fn a_certificate_must_be_vouched_for_and_be_of_the_name_that_is_asked() {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let behaviour = Behaviour::new(Encryption::StartTls).login(AuthMechanism::Plain);
    let server = SmtpServer::with_certificate(behaviour, certificate.der().clone(), &key).await;

    let (app, client) = with_admin().await;
    allow_private(&client, true).await;
    let store = app.data_dir.path().join("ca.pem");
    std::fs::write(&store, ca_certificate.pem()).unwrap();
    let mut daemon = command(&app, &["serve"]);
    let daemon = Daemon::spawn(daemon.env("SSL_CERT_FILE", &store)).await;
    daemon.until_settled().await;
    let token = daemon.login().await;
    for (host, is_ok) in [("localhost", true), ("127.0.0.1", false)] {
        let mut wanted = config(&server, "starttls");
        wanted["smtp_host"] = json!(host);
        wanted["verify_certificate"] = json!(true);
        let path = "/api/email/config";
        let (status, answer) = daemon.call("PUT", path, Some(&token), Some(&wanted)).await;
        assert_eq!(status, 200, "{answer}");
        let path = "/api/email/check";
        let (_, answer) = daemon
            .call("POST", path, Some(&token), Some(&json!({})))
            .await;
        assert_eq!(answer["is_ok"], is_ok, "{host}: {answer}");
        if !is_ok {
            let why = answer["error"].as_str().unwrap();
            assert!(why.contains("certificate of 127.0.0.1"), "{why}");
            assert!(why.contains("not valid for name"), "{why}");
        }
    }
}
