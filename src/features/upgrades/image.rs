//! Names of images. Pure.

/// The name without tag and digest: `n8nio/n8n` of `n8nio/n8n:2.41.1`.
pub fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // A colon before a slash is that of a registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// What was asked for, as the engine takes it: the whole reference, or the tag alone.
pub fn target(asked: Option<&str>, current: &str) -> Result<String, String> {
    let Some(asked) = asked.map(str::trim).filter(|asked| !asked.is_empty()) else {
        if current.starts_with("sha256:") {
            return Err(
                "must be named: the container was made from an image without a name".to_owned(),
            );
        }
        return Ok(current.to_owned());
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if asked.len() > 200 || !asked.chars().all(is_plain) || asked.starts_with(['-', '/', ':', '.'])
    {
        return Err("must be an image, as in n8nio/n8n:2.41.1, or a tag, as in 2.41.1".to_owned());
    }
    let own = repository(current);
    if own.is_empty() || current.starts_with("sha256:") {
        return Ok(asked.to_owned());
    }
    if !asked.contains(['/', ':', '@']) && asked != own {
        return Ok(format!("{own}:{asked}"));
    }
    if repository(asked) == own {
        Ok(asked.to_owned())
    } else {
        Err(format!(
            "must be an image of {own}, as n8n's container uses it now; to change to another one, make the container \
             anew by hand"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_found_beside_ports_tags_and_digests() {
        for (image, wanted) in [
            ("n8nio/n8n", "n8nio/n8n"),
            ("n8nio/n8n:2.41.1", "n8nio/n8n"),
            ("docker.n8n.io/n8nio/n8n:latest", "docker.n8n.io/n8nio/n8n"),
            ("box:5000/n8n", "box:5000/n8n"),
            ("box:5000/n8n:2@sha256:abc", "box:5000/n8n"),
            ("n8n", "n8n"),
        ] {
            assert_eq!(repository(image), wanted);
        }
    }

    #[test]
    fn a_tag_alone_is_of_the_image_that_is_used() {
        let current = "docker.n8n.io/n8nio/n8n:1.123.0";
        assert_eq!(target(None, current).unwrap(), current);
        assert_eq!(target(Some(" "), current).unwrap(), current);
        let wanted = "docker.n8n.io/n8nio/n8n:2.41.1";
        assert_eq!(target(Some("2.41.1"), current).unwrap(), wanted);
        assert_eq!(target(Some(wanted), current).unwrap(), wanted);
    }

    #[test]
    fn another_image_is_not_run_with_n8ns_volumes() {
        let current = "n8nio/n8n:1.123.0";
        for asked in [
            "evil/n8n:1",
            "n8nio/n8n2:1",
            "docker.io/n8nio/n8n:2",
            "-v",
            "../x",
            "n8nio/n8n:2 --privileged",
            "n8nio/n8n:2\n",
            "/n8n",
        ] {
            let trimmed_fine = asked.trim() == "n8nio/n8n:2";
            assert_eq!(
                target(Some(asked), current).is_ok(),
                trimmed_fine,
                "{asked:?}"
            );
        }
        assert!(target(None, "sha256:abc").is_err());
    }
}
