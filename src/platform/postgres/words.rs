//! What a server says of an error, for people.

/// The server's own words, without query or address; the driver's where the server said nothing.
pub fn server_words(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
