//! Where somebody may be sent after signing in: nowhere but to the tool that asked. Pure.

use url::Url;

use super::site::{Home, Site};

/// Longest address that is kept.
const LONGEST: usize = 2_048;

/// What nginx hands over: the tool's slug, and the address that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The tool.
    pub service: &'a str,
    /// The address, just as the browser sent it.
    pub rd: Option<&'a str>,
}

/// Reads `service=SLUG&rd=ADDRESS`. All that follows `rd=` is the address: nginx puts it there as it is, so that no `&` in
/// it can begin another parameter.
pub fn asked(query: &str) -> Option<Asked<'_>> {
    let rest = query.strip_prefix("service=")?;
    let (service, rd) = match rest.split_once('&') {
        Some((service, rest)) => (service, rest.strip_prefix("rd=")),
        None => (rest, None),
    };
    Some(Asked { service, rd })
}

/// The address, if it is one of the tool's own. By another port of the same name it becomes the tool's: nginx serves Flowkeep's
/// name at two, and whoever came by the other loses nothing.
pub fn check(rd: &str, site: &Site, home: &Home) -> Option<String> {
    // Byte by byte before anything parses it: parsers forgive what browsers do otherwise.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#');
    if rd.len() > LONGEST || !rd.bytes().all(is_plain) {
        return None;
    }
    let rest = match rd.strip_prefix("https://") {
        Some(rest) => rest,
        None if !home.is_https => rd.strip_prefix("http://")?,
        None => return None,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    if !without_port(authority)?.eq_ignore_ascii_case(&site.name) {
        return None;
    }
    // Put together again from what we know, and read once more as a browser will.
    let slash = if path.starts_with('/') { "" } else { "/" };
    let (scheme, known) = (home.scheme(), &site.authority);
    let url = Url::parse(&format!("{scheme}://{known}{slash}{path}")).ok()?;
    let is_same = url.scheme() == scheme
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && url.host_str() == Some(site.name.as_str())
        && url.as_str().starts_with(&site.url(home));
    is_same.then(|| url.into())
}

/// The name, if what follows it is nothing or a port as browsers write it.
fn without_port(authority: &str) -> Option<&str> {
    let is_name_alone = |last: &str| last.ends_with(']');
    let Some((name, port)) = authority
        .rsplit_once(':')
        .filter(|(_, last)| !is_name_alone(last))
    else {
        return Some(authority);
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    (is_port && port.parse::<u16>().is_ok()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn home(is_https: bool) -> Home {
        Home {
            is_https,
            name: "flowkeep.example.com".to_owned(),
            authority: "flowkeep.example.com".to_owned(),
        }
    }

    fn good(authority: &str, prefix: &str) -> Site {
        Site {
            name: authority.split(':').next().unwrap().to_owned(),
            authority: authority.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    fn bad_values() -> Vec<String> {
        let mut bad: Vec<String> = [
            "",
            "/",
            "//evil",
            "//evil.example",
            "///evil.example",
            "/\\evil",
            "\\\\evil",
            "https:evil",
            "https:/evil",
            "https:///evil.example",
            "https://evil.example",
            "https://good@evil",
            "https://good.example.com@evil.example/",
            "https://evil@good.example.com/",
            "https://user:pass@good.example.com/",
            // Two `@` (GHSA-c5c4).
            "https://a@evil@good.example.com/",
            "https://a@evil.example@good.example.com/",
            "https://a@good.example.com@evil.example/",
            "https://good.example.com@evil.example@good.example.com/",
            "https://good.example.com@good.example.com@evil.example/",
            "https://@@good.example.com/",
            "https://good.example.com.evil.example/",
            "https://good.evil.com",
            "https://evilgood.example.com/",
            "%09//evil",
            "\t//evil",
            "%0d%0aSet-Cookie:a=b",
            "https://good.example.com/\r\nSet-Cookie: a=b",
            "https://GOOD./",
            "https://good.example.com./",
            "javascript:alert(1)",
            "javascript://good.example.com/%0aalert(1)",
            "data:text/html,x",
            "vbscript:x",
            "http://good.example.com/",
            "ftp://good.example.com/",
            "wss://good.example.com/",
            "HTTPS://good.example.com/",
            "https://good.example.com:/",
            "https://good.example.com:0/",
            "https://good.example.com:+443/",
            "https://good.example.com:0443/",
            "https://good.example.com:65536/",
            "https://good.example.com:443:443/",
            "https://good.example.com:443.evil.example/",
            "https://evil.example:443/",
            "https://evil.example:good.example.com/",
            "https://good.example.com:443@evil.example/",
            "https://good.example.com\\.evil.example/",
            "https://good.example.com\\@evil.example/",
            "https://good.example.com#@evil.example/",
            "https://good.example.com/#/x",
            "https://g\u{43e}\u{43e}d.example.com/",
            "https://xn--gd-jlca.example.com/",
            "https://good.example.com%2f@evil.example/",
            "https://good.example.com%00.evil.example/",
            "https://good%2eexample.com/",
            "https://good.example.com\u{3002}evil.example/",
            "https://[::1]/",
            "https://127.0.0.1/",
            "https://2130706433/",
            " https://good.example.com/",
            "https://good.example.com /",
            "https%3A%2F%2Fgood.example.com",
            "https://good.example.com,evil.example/",
            "https://good.example.com;evil.example/",
            "https://?good.example.com",
            "https://*.example.com/",
            "good.example.com",
            "https://flowkeep.example.com/api/auth/logout",
            "null",
            "undefined",
        ]
        .map(str::to_owned)
        .into();
        bad.push(format!("https://good.example.com/{}", "a".repeat(LONGEST)));
        bad
    }

    #[test]
    fn no_bad_address_is_taken() {
        let site = good("good.example.com", "/");
        for rd in bad_values() {
            assert_eq!(check(&rd, &site, &home(true)), None, "{rd:?}");
        }
    }

    #[test]
    fn the_tools_own_addresses_are_taken_as_they_are() {
        let site = good("good.example.com", "/");
        for rd in [
            "https://good.example.com/",
            "https://good.example.com/show?name=n8n&x=a%20b&rd=https://evil.example/",
            "https://good.example.com//evil.example/",
            "https://good.example.com/%09//evil",
            "https://good.example.com/a%0d%0ab?q=%23",
            "https://good.example.com/?server=db&username=%27",
        ] {
            assert_eq!(check(rd, &site, &home(true)).as_deref(), Some(rd));
        }
        let upper = check("https://GOOD.Example.com/A", &site, &home(true));
        assert_eq!(upper.as_deref(), Some("https://good.example.com/A"));
        let bare = check("https://good.example.com?a", &site, &home(true));
        assert_eq!(bare.as_deref(), Some("https://good.example.com/?a"));
    }

    #[test]
    fn by_another_port_of_the_same_name_it_becomes_the_tools_own_address() {
        let site = good("good.example.com:8443", "/");
        for rd in [
            "https://good.example.com:8443/x?a=b:1",
            "https://good.example.com/x?a=b:1",
            "https://good.example.com:443/x?a=b:1",
            "https://GOOD.example.com:3333/x?a=b:1",
        ] {
            let taken = check(rd, &site, &home(true));
            let wanted = "https://good.example.com:8443/x?a=b:1";
            assert_eq!(taken.as_deref(), Some(wanted), "{rd}");
        }
        for bad in [
            "https://good.example.com:84430/x",
            "https://good.example.com:08443/",
        ] {
            assert_eq!(check(bad, &site, &home(true)), None, "{bad}");
        }
        let under_a_path = good("flowkeep.example.com", "/dozzle/");
        let by_the_other = "https://flowkeep.example.com:3333/dozzle/show?name=n8n";
        assert_eq!(
            check(by_the_other, &under_a_path, &home(true)).as_deref(),
            Some("https://flowkeep.example.com/dozzle/show?name=n8n")
        );
        let elsewhere = "https://flowkeep.example.com:3333/api/auth/logout";
        assert_eq!(check(elsewhere, &under_a_path, &home(true)), None);
        let v6 = good("[::1]", "/dozzle/");
        let v6 = Site {
            name: "[::1]".to_owned(),
            ..v6
        };
        assert_eq!(
            check("https://[::1]:3333/dozzle/x", &v6, &home(true)).as_deref(),
            Some("https://[::1]/dozzle/x")
        );
        assert!(check("https://[::1]/dozzle/x", &v6, &home(true)).is_some());
    }

    #[test]
    fn plain_http_only_where_flowkeep_itself_is_opened_so() {
        let site = good("flowkeep.example.com", "/dozzle/");
        let rd = "http://flowkeep.example.com/dozzle/x";
        assert_eq!(check(rd, &site, &home(true)), None);
        assert_eq!(check(rd, &site, &home(false)).as_deref(), Some(rd));
    }

    #[test]
    fn a_tool_under_a_path_sends_nobody_elsewhere_on_the_host() {
        let site = good("flowkeep.example.com", "/dozzle/");
        assert!(
            check(
                "https://flowkeep.example.com/dozzle/a?b",
                &site,
                &home(true)
            )
            .is_some()
        );
        for bad in [
            "https://flowkeep.example.com/",
            "https://flowkeep.example.com/dozzle",
            "https://flowkeep.example.com/dozzlex/",
            "https://flowkeep.example.com/dozzle/../api/auth/logout",
            "https://flowkeep.example.com/dozzle/%2e%2e/api",
            "https://flowkeep.example.com/api/auth/sso/start?service=dozzle",
        ] {
            assert_eq!(check(bad, &site, &home(true)), None, "{bad}");
        }
    }

    #[test]
    fn what_follows_rd_is_the_address_and_no_parameter() {
        let with =
            asked("service=dozzle&rd=https://a/?x=1&service=adminer&rd=https://evil").unwrap();
        assert_eq!(with.service, "dozzle");
        assert_eq!(
            with.rd,
            Some("https://a/?x=1&service=adminer&rd=https://evil")
        );
        assert_eq!(asked("service=dozzle").unwrap().rd, None);
        assert_eq!(asked("service=dozzle&x=1").unwrap().rd, None);
        assert_eq!(asked("rd=https://a&service=dozzle"), None);
        assert_eq!(asked(""), None);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_a_browser_reads_as_the_tools_own(text in "(https?:)?[/\\\\]{0,3}(good\\.example\\.com|evil|user@|:443|[a-z:@./\\\\?#%\t ]){0,6}[ -~]{0,12}") {
            let site = good("good.example.com", "/");
            if let Some(url) = check(&text, &site, &home(true)) {
                let seen = Url::parse(&url).unwrap();
                prop_assert_eq!(seen.host_str(), Some("good.example.com"));
                prop_assert_eq!(seen.scheme(), "https");
                prop_assert_eq!(seen.port(), None);
                prop_assert!(seen.username().is_empty());
            }
        }
    }
}
