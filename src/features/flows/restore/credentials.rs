//! Credentials of an archive made fit for the running n8n: as they are where its key opens them, encrypted
//! anew where the key of then is given, refused otherwise.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::sql::NewCredential;
use crate::features::flows::collect::{CredentialRow, Found};
use crate::features::n8n::{DeploymentKey, KeyCheck, Keyring};
use crate::platform::ids::Ids;

/// What of the archive's credentials n8n could use, by id.
pub struct Usable {
    /// Those that can be put back.
    pub rows: BTreeMap<String, NewCredential>,
    /// Why the others cannot, for people.
    pub why_not: Option<String>,
}

/// Opens what can be opened.
pub fn usable(
    found: &Found,
    live_key: Option<&SecretString>,
    live_keys: Vec<DeploymentKey>,
    source_key: Option<&SecretString>,
    ids: &Ids,
) -> Usable {
    let mut usable = Usable {
        rows: BTreeMap::new(),
        why_not: None,
    };
    let Some(live_key) = live_key else {
        usable.why_not = Some(
            "n8n's encryption key is not saved; save it on the n8n page to restore credentials"
                .to_owned(),
        );
        return usable;
    };
    let live = Keyring::new(live_key.clone(), live_keys);
    if let Some(KeyCheck::Wrong(how)) = live.check_wrapped() {
        usable.why_not = Some(format!("the saved encryption key is not n8n's own: {how}"));
        return usable;
    }
    let source = source_key.map(|key| Keyring::new(key.clone(), found.keys.clone()));
    // Without another key the archive is taken to be of this n8n: its keys of then, this key.
    let same = Keyring::new(live_key.clone(), found.keys.clone());
    for row in &found.credentials {
        let data = row.data.expose_secret();
        let sealed = if live.opens_credential(data) {
            Some(data.to_owned())
        } else {
            let plain = same
                .open_credential(data)
                .or_else(|| source.as_ref()?.open_credential(data));
            plain.map(|plain| live.seal_credential(&plain, ids.bytes()))
        };
        match sealed {
            Some(data) => {
                usable.rows.insert(row.id.clone(), new(row, data));
            }
            None if source.is_some() => {
                usable.why_not =
                    Some("the key that was given does not open them either".to_owned());
            }
            None => {
                usable.why_not = Some(
                    "they are encrypted with another key than n8n's; give the key of then (its .n8n/config) to restore them"
                        .to_owned(),
                );
            }
        }
    }
    usable
}

fn new(row: &CredentialRow, data: String) -> NewCredential {
    NewCredential {
        id: row.id.clone(),
        name: row.name.clone(),
        kind: row.kind.clone(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, key: &str) -> CredentialRow {
        let ring = Keyring::new(SecretString::from(key), Vec::new());
        CredentialRow {
            id: id.to_owned(),
            name: "Mail".to_owned(),
            kind: "smtp".to_owned(),
            data: SecretString::from(ring.seal_credential(br#"{"password":"p"}"#, *b"saltsalt")),
        }
    }

    #[test]
    fn credentials_come_as_they_are_or_encrypted_anew_or_not_at_all() {
        let found = Found {
            credentials: vec![row("same", "live key"), row("old", "old key")],
            ..Found::default()
        };
        let key = |key: &str| SecretString::from(key);
        let ids = Ids::seeded(1);
        let try_with = |live: Option<&str>, source: Option<&str>| {
            let (live, source) = (live.map(key), source.map(key));
            usable(&found, live.as_ref(), Vec::new(), source.as_ref(), &ids)
        };
        assert!(try_with(None, None).why_not.unwrap().contains("not saved"));
        let without = try_with(Some("live key"), None);
        assert_eq!(without.rows.len(), 1);
        assert_eq!(
            without.rows["same"].data,
            found.credentials[0].data.expose_secret()
        );
        assert!(without.why_not.unwrap().contains("another key"));
        let wrong = try_with(Some("live key"), Some("a third key"));
        assert!(wrong.rows.len() == 1 && wrong.why_not.unwrap().contains("does not open"));
        let with = try_with(Some("live key"), Some("old key"));
        let ring = Keyring::new(key("live key"), Vec::new());
        let opened = ring.open_credential(&with.rows["old"].data).unwrap();
        assert_eq!(&opened[..], br#"{"password":"p"}"#);
        assert!(with.why_not.is_none());
    }
}
