//! The only place that talks to the database. Every function takes the caller's connection or
//! transaction.

pub mod counters;
pub mod devices;
pub mod recovery;
pub mod sessions;
pub mod setup;
pub mod subnets;
pub mod users;

use std::net::IpAddr;

use sea_orm::prelude::IpNetwork;
use sea_orm::{DbBackend, Statement, Value};

fn sql<const N: usize>(text: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

fn network(ip: Option<IpAddr>) -> Option<IpNetwork> {
    ip.map(IpNetwork::from)
}
