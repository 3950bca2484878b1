//! The tables of this feature as sea-orm sees them.

/// `admin_user`.
pub mod admin_user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "admin_user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub username: String,
        pub password_hash: String,
        pub email: Option<String>,
        pub totp_enabled: Option<bool>,
        pub created_at: Option<DateTimeUtc>,
        pub updated_at: Option<DateTimeUtc>,
        pub last_login: Option<DateTimeUtc>,
        pub totp_secret_encrypted: Option<Json>,
        pub totp_pending_encrypted: Option<Json>,
        pub totp_last_step: Option<i64>,
        pub password_changed_at: DateTimeUtc,
    }

    /// Leaves the hash and the sealed secrets out.
    impl std::fmt::Debug for Model {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("AdminUser")
                .field("id", &self.id)
                .field("username", &self.username)
                .finish_non_exhaustive()
        }
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// `sessions`.
pub mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub struct Model {
        /// SHA-256 of the token in hexadecimal.
        #[sea_orm(primary_key, auto_increment = false)]
        pub token: String,
        pub id: Uuid,
        pub user_id: i32,
        pub created_at: Option<DateTimeUtc>,
        pub expires_at: DateTimeUtc,
        pub ip_address: Option<IpNetwork>,
        pub user_agent: Option<String>,
        pub is_active: Option<bool>,
        pub last_seen_at: Option<DateTimeUtc>,
        pub reauthenticated_until: Option<DateTimeUtc>,
        pub kind: String,
    }

    /// Leaves the token's hash out.
    impl std::fmt::Debug for Model {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Session")
                .field("id", &self.id)
                .field("user_id", &self.user_id)
                .finish_non_exhaustive()
        }
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// `known_devices`.
pub mod known_device {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "known_devices")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub user_id: i32,
        /// SHA-256 of the device cookie in hexadecimal.
        pub token_hash: String,
        pub created_at: DateTimeUtc,
        pub last_used_at: DateTimeUtc,
        pub expires_at: DateTimeUtc,
    }

    /// Leaves the token's hash out.
    impl std::fmt::Debug for Model {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("KnownDevice")
                .field("id", &self.id)
                .field("user_id", &self.user_id)
                .finish_non_exhaustive()
        }
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// `allowed_subnets`.
pub mod allowed_subnet {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "allowed_subnets")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub cidr: String,
        pub description: Option<String>,
        pub enabled: Option<bool>,
        pub created_at: Option<DateTimeUtc>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
