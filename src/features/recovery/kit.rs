//! The kit as a file: a tar archive inside age's format.

use std::collections::BTreeMap;
use std::io::Read;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::RecoveryError;
use crate::features::destinations::Saved;

const SCRIPT: &str = include_str!("restore.sh");
const MASTER_KEY: &str = "master.key";
const N8N_KEY: &str = "n8n-encryption.key";
const BACKUP_KEY: &str = "backup-age.key";
const CONFIGURATION: &str = "flowkeep.json";
/// A kit is small; what is larger is something else.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What a kit holds.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The key that wraps Flowkeep's data keys, as in its file.
    pub master_key: SecretString,
    /// What opens n8n's credentials, if it is saved.
    pub n8n_key: Option<SecretString>,
    /// What opens encrypted backups, one a line, if they are.
    pub backup_identities: Option<SecretString>,
    /// Where n8n's database is, with its password.
    pub n8n_database_url: Option<SecretString>,
    /// Further places of the backups, with what opens them.
    pub destinations: Vec<Saved>,
    /// The rest.
    pub configuration: Configuration,
}

/// What of a kit is no secret of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The version of this format.
    pub format: u32,
    /// What made it.
    pub flowkeep_version: String,
    /// When, as in RFC 3339.
    pub made_at: String,
    /// Where the backups are.
    pub backup_dir: String,
    /// Settings that differ from their defaults.
    pub settings: BTreeMap<String, Value>,
    /// Whether backups are encrypted.
    #[serde(default)]
    pub encrypts_backups: bool,
    /// Further public keys that they are encrypted to.
    #[serde(default)]
    pub backup_recipients: Vec<String>,
    /// The good backups of that day: name, hash, when.
    pub backups: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    configuration: Configuration,
    n8n_database_url: Option<String>,
    #[serde(default)]
    destinations: Vec<Saved>,
}

/// The words that come first when somebody opens a kit years later.
fn words(contents: &Contents) -> String {
    format!(
        "This is the recovery kit of a Flowkeep {}, made at {}.\n\n\
         master.key          opens the secrets in Flowkeep's own database\n\
         n8n-encryption.key  opens the credentials in n8n's database (N8N_ENCRYPTION_KEY)\n\
         backup-age.key      opens encrypted backups (age -d -i backup-age.key), if there are any\n\
         flowkeep.json       where n8n's database was, Flowkeep's settings, and the backups of that day\n\
         restore.sh          restores a backup with PostgreSQL's programs alone\n\n\
         The backups were in {}. Bring a copy of that folder, then either\n\n\
         with Flowkeep, on an empty box:\n\
         \x20 flowkeep recover --kit THIS_FILE --backup-dir FOLDER_WITH_BACKUPS\n\
         \x20 flowkeep serve --backup-dir FOLDER_WITH_BACKUPS\n\n\
         or without it:\n\
         \x20 ./restore.sh BACKUP_FILE NEW_DATABASE_URL\n",
        contents.configuration.flowkeep_version,
        contents.configuration.made_at,
        contents.configuration.backup_dir,
    )
}

/// Makes the file.
pub fn make(contents: &Contents, passphrase: &SecretString) -> Result<Vec<u8>, RecoveryError> {
    let failed = |error: &dyn std::fmt::Display| RecoveryError::Make(error.to_string());
    let stored = Stored {
        configuration: contents.configuration.clone(),
        n8n_database_url: contents
            .n8n_database_url
            .as_ref()
            .map(|url| url.expose_secret().to_owned()),
        destinations: contents.destinations.clone(),
    };
    let configuration =
        Zeroizing::new(serde_json::to_vec_pretty(&stored).map_err(|error| failed(&error))?);
    let master_key = Zeroizing::new(format!("{}\n", contents.master_key.expose_secret()));
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, name, content)
    };
    add("README.txt", 0o600, words(contents).as_bytes()).map_err(|error| failed(&error))?;
    add("restore.sh", 0o700, SCRIPT.as_bytes()).map_err(|error| failed(&error))?;
    add(MASTER_KEY, 0o600, master_key.as_bytes()).map_err(|error| failed(&error))?;
    if let Some(key) = &contents.n8n_key {
        // Not even a line break is added: to n8n it would be part of the key.
        let key = key.expose_secret().as_bytes();
        add(N8N_KEY, 0o600, key).map_err(|error| failed(&error))?;
    }
    if let Some(keys) = &contents.backup_identities {
        let keys = Zeroizing::new(format!("{}\n", keys.expose_secret()));
        add(BACKUP_KEY, 0o600, keys.as_bytes()).map_err(|error| failed(&error))?;
    }
    add(CONFIGURATION, 0o600, &configuration).map_err(|error| failed(&error))?;
    let plain = Zeroizing::new(tar.into_inner().map_err(|error| failed(&error))?);
    let recipient = age::scrypt::Recipient::new(passphrase.clone());
    age::encrypt(&recipient, &plain).map_err(|error| failed(&error))
}

/// Opens a kit.
pub fn open(kit: &[u8], passphrase: &SecretString) -> Result<Contents, RecoveryError> {
    let identity = age::scrypt::Identity::new(passphrase.clone());
    let plain = age::decrypt(&identity, kit).map_err(|_| RecoveryError::WrongPassphrase)?;
    let plain = Zeroizing::new(plain);
    let no_kit = |error: &dyn std::fmt::Display| RecoveryError::NoKit(error.to_string());
    let mut files: BTreeMap<String, Zeroizing<String>> = BTreeMap::new();
    let mut tar = tar::Archive::new(&plain[..]);
    for entry in tar.entries().map_err(|error| no_kit(&error))? {
        let mut entry = entry.map_err(|error| no_kit(&error))?;
        let name = entry
            .path()
            .map_err(|error| no_kit(&error))?
            .display()
            .to_string();
        let mut text = Zeroizing::new(String::new());
        (&mut entry)
            .take(MOST_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| no_kit(&error))?;
        files.insert(name, text);
    }
    let file = |name: &str| {
        files
            .get(name)
            .ok_or_else(|| RecoveryError::NoKit(format!("{name} is not in it")))
    };
    let stored: Stored =
        serde_json::from_str(file(CONFIGURATION)?).map_err(|error| no_kit(&error))?;
    Ok(Contents {
        master_key: SecretString::from(file(MASTER_KEY)?.trim().to_owned()),
        n8n_key: files
            .get(N8N_KEY)
            .map(|key| SecretString::from((**key).clone())),
        backup_identities: files
            .get(BACKUP_KEY)
            .map(|keys| SecretString::from(keys.trim().to_owned())),
        n8n_database_url: stored.n8n_database_url.map(SecretString::from),
        destinations: stored.destinations,
        configuration: stored.configuration,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kit_opens_with_its_passphrase_alone_and_holds_what_was_put_in() {
        let contents = Contents {
            master_key: SecretString::from("bWFzdGVy"),
            n8n_key: Some(SecretString::from(" key with blanks\n")),
            backup_identities: Some(SecretString::from("AGE-SECRET-KEY-1X")),
            n8n_database_url: Some(SecretString::from("postgres://u:p@h/d")),
            destinations: Vec::new(),
            configuration: Configuration {
                format: 1,
                backup_dir: "/backups".to_owned(),
                settings: [("backups.compression_level".to_owned(), serde_json::json!(7))].into(),
                ..Configuration::default()
            },
        };
        let passphrase = SecretString::from("five random words are good");
        let kit = make(&contents, &passphrase).unwrap();
        assert!(kit.starts_with(b"age-encryption.org/v1"));
        let opened = open(&kit, &passphrase).unwrap();
        assert_eq!(opened.master_key.expose_secret(), "bWFzdGVy");
        assert_eq!(
            opened.n8n_key.unwrap().expose_secret(),
            " key with blanks\n"
        );
        let keys = opened.backup_identities.unwrap();
        assert_eq!(keys.expose_secret(), "AGE-SECRET-KEY-1X");
        assert_eq!(opened.configuration, contents.configuration);
        let wrong = open(&kit, &SecretString::from("six random words are bad")).unwrap_err();
        assert!(matches!(wrong, RecoveryError::WrongPassphrase));
        let mut cut = kit.clone();
        cut.truncate(kit.len() - 10);
        assert!(matches!(
            open(&cut, &passphrase),
            Err(RecoveryError::WrongPassphrase)
        ));
    }
}
