//! Where a tool is, and which domain Flowkeep and the tools share. Pure.

use std::net::IpAddr;

use url::{Host, Url};

/// The roles that Dozzle knows.
pub const ROLES: [&str; 5] = ["shell", "actions", "download", "none", "all"];
/// Paths on Flowkeep's own host that are its own: what it serves, and the pages of its interface (`ui/src/router.tsx`).
const OWN_PATHS: [&str; 23] = [
    "/acknowledge",
    "/api",
    "/assets",
    "/audit",
    "/backups",
    "/containers",
    "/destinations",
    "/email",
    "/flows",
    "/host",
    "/icons",
    "/login",
    "/metrics",
    "/n8n",
    "/notifications",
    "/proofs",
    "/restores",
    "/schedules",
    "/security",
    "/settings",
    "/setup",
    "/single-sign-on",
    "/watchdog",
];

/// Flowkeep's own address, as people open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Whether it is opened over HTTPS.
    pub is_https: bool,
    /// The host name, without the port.
    pub name: String,
    /// The host name with its port, if that is not the usual one.
    pub authority: String,
}

impl Home {
    /// The address in the configuration.
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self {
            is_https: url.scheme() == "https",
            name: url.host_str()?.to_owned(),
            authority: authority(url)?,
        })
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Where a tool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The host name, without the port.
    pub name: String,
    /// With its port, if that is not the usual one.
    pub authority: String,
    /// The path under which it lives; `/` where it has the host for itself.
    pub prefix: String,
}

impl Site {
    /// Its own front page.
    pub fn url(&self, home: &Home) -> String {
        format!("{}://{}{}", home.scheme(), self.authority, self.prefix)
    }

    /// Whether it shares its host name, and so the ordinary session cookie, with Flowkeep.
    pub fn is_at_home(&self, home: &Home) -> bool {
        self.name == home.name
    }
}

/// Checks what a tool is called in nginx' configuration.
pub fn slug(text: &str) -> Result<String, String> {
    let is_fine = !text.is_empty()
        && text.len() <= 40
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_fine {
        return Ok(text.to_owned());
    }
    Err("is 1 to 40 small letters, digits and hyphens, as in dozzle".to_owned())
}

/// Checks a host name with or without a port, and writes it as browsers do.
pub fn host(text: &str, home: &Home) -> Result<(String, String), String> {
    let why = || {
        "is a host name, with its port if that is not the usual one, as in dozzle.example.com"
            .to_owned()
    };
    let text = text.trim();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if text.is_empty() || text.len() > 260 || !text.chars().all(is_plain) {
        return Err(why());
    }
    let url = Url::parse(&format!("{}://{text}/", home.scheme())).map_err(|_| why())?;
    let name = url.host_str().ok_or_else(why)?.trim_end_matches('.');
    let is_fine = match url.host() {
        Some(Host::Domain(_)) => is_domain(name),
        Some(_) => true,
        None => false,
    };
    if !is_fine {
        return Err(why());
    }
    let authority = match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    Ok((name.to_owned(), authority))
}

fn is_domain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            !bytes.is_empty()
                && bytes.len() <= 63
                && bytes
                    .iter()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
                && bytes.first() != Some(&b'-')
                && bytes.last() != Some(&b'-')
        })
}

/// Checks the path under which a tool lives, and ends it with a slash.
pub fn prefix(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    let inner = text.trim_matches('/');
    let is_fine = text.len() <= 190
        && text.bytes().all(is_plain)
        && inner
            .split('/')
            .all(|part| !matches!(part, "." | "..") && (inner.is_empty() || !part.is_empty()));
    match (is_fine, inner) {
        (false, _) => Err("is a path of letters and digits, as in /dozzle/".to_owned()),
        (true, "") => Ok("/".to_owned()),
        (true, inner) => Ok(format!("/{inner}/")),
    }
}

/// Checks where nginx finds the tool.
pub fn upstream(text: &str) -> Result<String, String> {
    let why = || "is where nginx finds the tool, as in http://127.0.0.1:8080".to_owned();
    let text = text.trim().trim_end_matches('/');
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'[' | b']')
    };
    if text.len() > 290 || !text.bytes().all(is_plain) {
        return Err(why());
    }
    let url = Url::parse(text).map_err(|_| why())?;
    let is_web = matches!(url.scheme(), "http" | "https");
    if !is_web || url.path() != "/" || url.query().is_some() {
        return Err(why());
    }
    let authority = authority(&url).ok_or_else(why)?;
    Ok(format!("{}://{authority}", url.scheme()))
}

/// Checks that a tool is where a login can reach it: on Flowkeep's own host name under a path of its
/// own, or under the domain that both share.
pub fn reach(
    site: &Site,
    home: &Home,
    parent_domain: Option<&str>,
) -> Result<(), (&'static str, String)> {
    if site.is_at_home(home) {
        let path = site.prefix.trim_end_matches('/');
        let is_own = OWN_PATHS
            .iter()
            .any(|own| path == *own || path.starts_with(&format!("{own}/")));
        return if site.authority != home.authority || (!path.is_empty() && !is_own) {
            Ok(())
        } else {
            Err((
                "path_prefix",
                "is Flowkeep's own; on Flowkeep's host name a tool needs a path of its own, as in /dozzle/"
                    .to_owned(),
            ))
        };
    }
    let Some(domain) = parent_domain else {
        return Err((
            "host",
            format!(
                "is another host than Flowkeep's {}; set the parent domain of both first, or give the tool a path there",
                home.name
            ),
        ));
    };
    if is_under(&site.name, domain) {
        return Ok(());
    }
    Err(("host", format!("is not under the parent domain {domain}")))
}

/// Whether a name is a domain or under it.
pub fn is_under(name: &str, domain: &str) -> bool {
    name == domain
        || name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// Checks the domain that a cookie may be set for, and writes it as browsers do.
pub fn parent_domain(text: &str, home: &Home) -> Result<String, String> {
    let text = text.trim().trim_start_matches('.').trim_end_matches('.');
    let (name, authority) =
        host(text, home).map_err(|_| "is a domain, as in example.com".to_owned())?;
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err("is an address; a cookie can be shared only under a domain".to_owned());
    }
    if name != authority || text.contains(':') {
        return Err("is a domain without a port, as in example.com".to_owned());
    }
    if !home.is_https {
        return Err(
            "needs Flowkeep to be opened over HTTPS: set FLOWKEEP_PUBLIC_URL to its https:// address"
                .to_owned(),
        );
    }
    if psl::domain_str(&name).is_none() {
        return Err(format!(
            "{name} is a public suffix: strangers can have names under it, and browsers keep no cookie for it"
        ));
    }
    if !is_under(&home.name, &name) {
        return Err(format!(
            "Flowkeep itself ({}) is not under {name}; see FLOWKEEP_PUBLIC_URL",
            home.name
        ));
    }
    Ok(name)
}

/// Checks Dozzle's rights: some of its words, with commas between. None is `none`, for what is not said Dozzle takes for
/// everything.
pub fn roles(words: &[String]) -> Result<String, String> {
    let mut chosen: Vec<&str> = Vec::new();
    for word in words {
        let known = ROLES.iter().find(|role| *role == word);
        let known = known.ok_or_else(|| format!("{word:?} is none of: {}", ROLES.join(", ")))?;
        if !chosen.contains(known) {
            chosen.push(known);
        }
    }
    match chosen.as_slice() {
        [] => Ok("none".to_owned()),
        [_] => Ok(chosen.concat()),
        several if several.contains(&"none") || several.contains(&"all") => {
            Err("none and all stand alone".to_owned())
        }
        several => Ok(several.join(",")),
    }
}

/// Checks Dozzle's filter: it goes into a header.
pub fn filter(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.len() <= 500 && text.bytes().all(is_plain) {
        return Ok(Some(text.to_owned()));
    }
    Err("is at most 500 plain characters, as in name=n8n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(url: &str) -> Home {
        Home::of(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn a_public_suffix_an_address_and_a_stranger_are_no_parent_domain() {
        let at_home = home("https://flowkeep.example.co.uk");
        assert_eq!(
            parent_domain(" .Example.co.UK. ", &at_home).unwrap(),
            "example.co.uk"
        );
        assert_eq!(
            parent_domain("flowkeep.example.co.uk", &at_home).unwrap(),
            "flowkeep.example.co.uk"
        );
        for bad in [
            "co.uk",
            "uk",
            "",
            ".",
            "example.com",
            "ample.co.uk",
            "192.168.1.5",
            "[::1]",
            "example.co.uk:443",
            "example.co.uk/x",
            "a b",
            "*.example.co.uk",
            "evil.co.uk",
        ] {
            assert!(parent_domain(bad, &at_home).is_err(), "{bad}");
        }
        assert!(parent_domain("github.io", &home("https://me.github.io")).is_err());
        assert!(parent_domain("lan", &home("https://box.lan")).is_err());
        assert_eq!(
            parent_domain("home.lan", &home("https://box.home.lan")).unwrap(),
            "home.lan"
        );
        assert!(parent_domain("example.co.uk", &home("http://flowkeep.example.co.uk")).is_err());
        assert!(parent_domain("1.5", &home("https://192.168.1.5")).is_err());
    }

    #[test]
    fn cve_2026_77560_cve_2026_48794_a_host_has_one_spelling() {
        let at_home = home("https://flowkeep.example.com");
        for spelling in [
            "Dozzle.Example.COM",
            "dozzle.example.com.",
            "dozzle.example.com:443",
            " dozzle.example.com",
        ] {
            assert_eq!(
                host(spelling, &at_home).unwrap().1,
                "dozzle.example.com",
                "{spelling}"
            );
        }
        assert_eq!(
            host("b\u{fc}cher.example", &at_home).unwrap().1,
            "xn--bcher-kva.example"
        );
        assert_eq!(
            host("dozzle.example.com:8443", &at_home).unwrap().1,
            "dozzle.example.com:8443"
        );
        for bad in [
            "",
            "a@b",
            "a/b",
            "a b",
            "a;b",
            "a..b",
            "-a.b",
            "a%2eb",
            "a:b",
            "a:99999",
            "http://a",
            "a\\b",
            "a#b",
            "a?b",
            "a_b.example",
            "{a}",
        ] {
            assert!(host(bad, &at_home).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tool_is_under_the_parent_domain_or_under_a_path_of_its_own() {
        let at_home = home("https://flowkeep.example.com");
        let check = |host_text: &str, path: &str, domain| {
            let (name, authority) = host(host_text, &at_home).unwrap();
            let site = Site {
                name,
                authority,
                prefix: prefix(path).unwrap(),
            };
            reach(&site, &at_home, domain)
        };
        assert!(check("dozzle.example.com", "/", Some("example.com")).is_ok());
        assert!(check("flowkeep.example.com", "/dozzle", None).is_ok());
        assert!(check("flowkeep.example.com:8443", "/", None).is_ok());
        assert_eq!(
            check("dozzle.example.com", "/", None).unwrap_err().0,
            "host"
        );
        assert_eq!(
            check("dozzle.badexample.com", "/", Some("example.com"))
                .unwrap_err()
                .0,
            "host"
        );
        for own in ["/", "/api", "/api/x", "/login/", "/assets"] {
            assert_eq!(
                check("flowkeep.example.com", own, None).unwrap_err().0,
                "path_prefix",
                "{own}"
            );
        }
    }

    #[test]
    fn a_tool_hides_no_page_of_flowkeeps_own() {
        let at_home = home("https://flowkeep.example.com");
        let is_refused = |path: &str| {
            let site = Site {
                name: "flowkeep.example.com".to_owned(),
                authority: "flowkeep.example.com".to_owned(),
                prefix: prefix(path).unwrap(),
            };
            reach(&site, &at_home, None).is_err()
        };
        // Pages within others begin as those do.
        let routes: Vec<&str> = include_str!("../../../ui/src/router.tsx")
            .split("getParentRoute: () => ")
            .skip(1)
            .filter(|route| route.starts_with("root,") || route.starts_with("shell,"))
            .filter_map(|route| route.split("path: \"").nth(1)?.split('"').next())
            .filter(|path| *path != "/")
            .collect();
        assert!(routes.len() > 20, "{routes:?}");
        for route in routes {
            let first = route.split('/').nth(1).unwrap();
            assert!(is_refused(&format!("/{first}/")), "{route}");
            assert!(is_refused(&format!("/{first}/x/")), "{route}");
            assert!(!is_refused(&format!("/{first}x/")), "{route}");
        }
    }

    #[test]
    fn what_goes_into_nginx_configuration_cannot_leave_its_place() {
        for bad in [
            "/a;b", "/a b", "/a{", "/a\nb", "/$a", "/../", "/a/../b", "/a//b", "/%2e", "/\"",
            "/a?b", "/a#b",
        ] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
        assert_eq!(prefix("dozzle").unwrap(), "/dozzle/");
        assert_eq!(prefix("").unwrap(), "/");
        for bad in [
            "http://a;b",
            "ftp://a",
            "http://a/b",
            "a",
            "http://a b",
            "http://u@a",
            "http://$a",
            "http://",
        ] {
            assert!(upstream(bad).is_err(), "{bad}");
        }
        assert_eq!(
            upstream("http://dozzle:8080/").unwrap(),
            "http://dozzle:8080"
        );
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a;b",
            "a b",
            "\u{e4}",
            &"a".repeat(41),
        ] {
            assert!(slug(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn roles_are_dozzles_words_and_nothing_said_means_none() {
        let check = |words: &[&str]| {
            roles(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(check(&[]).unwrap(), "none");
        assert_eq!(
            check(&["shell", "actions", "shell"]).unwrap(),
            "shell,actions"
        );
        assert!(check(&["root"]).is_err());
        assert!(check(&["none", "shell"]).is_err());
        assert!(filter("a\r\nRemote-Roles: all").is_err());
        assert_eq!(filter("  ").unwrap(), None);
    }
}
