//! What can be done. The names are stable: people filter by them for years.

macro_rules! actions {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// Something that was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])+ $variant,)+ }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in the log.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

actions! {
    /// Somebody signed in.
    LoginSuccess = "auth.login_success",
    /// Somebody did not get in.
    LoginFailed = "auth.login_failed",
    /// Too many failures in a row.
    AccountLocked = "auth.account_locked",
    /// Somebody signed out.
    Logout = "auth.logout",
    /// A setup link was printed.
    SetupLinkCreated = "auth.setup_link_created",
    /// An administrator was made.
    UserCreated = "auth.user_created",
    /// The password was changed by its owner.
    PasswordChanged = "auth.password_changed",
    /// The password was set from the command line.
    PasswordReset = "auth.password_reset",
    /// A password asked for again was wrong.
    PasswordCheckFailed = "auth.password_check_failed",
    /// The profile was changed.
    ProfileChanged = "auth.profile_changed",
    /// The password was given again before a dangerous act.
    Reauthenticated = "auth.reauthenticated",
    /// One session was ended.
    SessionRevoked = "auth.session_revoked",
    /// Several sessions were ended.
    SessionsRevoked = "auth.sessions_revoked",
    /// Every session of the account was ended by its owner.
    LoggedOutEverywhere = "auth.logged_out_everywhere",
    /// A code asked for before a tool was wrong.
    StepUpFailed = "auth.step_up_failed",
    /// A second factor is being set up.
    TotpSetupStarted = "auth.totp_setup_started",
    /// The second factor is on.
    TotpEnabled = "auth.totp_enabled",
    /// The second factor is off.
    TotpDisabled = "auth.totp_disabled",
    /// There are new recovery codes.
    RecoveryCodesReplaced = "auth.recovery_codes_replaced",
    /// A recovery code stood in for the second factor.
    RecoveryCodeUsed = "auth.recovery_code_used",
    /// A subnet was allowed.
    SubnetCreated = "auth.subnet_created",
    /// A subnet was changed.
    SubnetChanged = "auth.subnet_changed",
    /// A subnet is no longer allowed.
    SubnetDeleted = "auth.subnet_deleted",
    /// Every subnet rule was removed from the command line.
    SubnetsCleared = "auth.subnets_cleared",
    /// A tool for single sign-on was added.
    SsoServiceCreated = "sso.service_created",
    /// A tool of single sign-on was changed.
    SsoServiceChanged = "sso.service_changed",
    /// A tool of single sign-on was removed.
    SsoServiceDeleted = "sso.service_deleted",
    /// A session opened a tool for the first time.
    SsoVisited = "sso.visited",
    /// A code was given before a tool that asks for one.
    SsoSteppedUp = "sso.stepped_up",
    /// A setting has a new value.
    SettingChanged = "settings.changed",
    /// A setting has its default again.
    SettingReset = "settings.reset",
    /// Secrets are encrypted under a new key.
    KeyRotated = "settings.key_rotated",
    /// The n8n connection was set.
    N8nConnected = "n8n.connected",
    /// The n8n connection was removed.
    N8nDisconnected = "n8n.disconnected",
    /// The n8n connection was tried.
    N8nTested = "n8n.tested",
    /// Where n8n's API is was set.
    N8nApiSet = "n8n.api_set",
    /// n8n's API was forgotten.
    N8nApiForgotten = "n8n.api_forgotten",
    /// Workflows were handed out as files.
    FlowExtracted = "flow.extracted",
    /// An archive with workflows was uploaded.
    FlowArchiveUploaded = "flow.archive_uploaded",
    /// An uploaded archive was deleted.
    FlowArchiveDeleted = "flow.archive_deleted",
    /// Workflows were asked to be put back into n8n.
    FlowRestoreRequested = "flow.restore_requested",
    /// Workflows were put back into n8n.
    FlowRestored = "flow.restored",
    /// A workflow is as it was before it was put back.
    FlowRestoreUndone = "flow.restore_undone",
    /// The sample n8n database was made.
    N8nSampleCreated = "n8n.sample_created",
    /// n8n was asked to run from another image.
    UpgradeRequested = "n8n.upgrade_requested",
    /// An upgrade of n8n ended, well or not.
    UpgradeFinished = "n8n.upgrade_finished",
    /// An upgrade that went well was taken back.
    UpgradeTakenBack = "n8n.upgrade_taken_back",
    /// The containers from before an upgrade were removed.
    UpgradeCleared = "n8n.upgrade_cleared",
    /// A container was asked to be started.
    ContainerStartRequested = "container.start_requested",
    /// A container was asked to be stopped.
    ContainerStopRequested = "container.stop_requested",
    /// A container was asked to be restarted.
    ContainerRestartRequested = "container.restart_requested",
    /// What was asked of a container was not done.
    ContainerActFailed = "container.act_failed",
    /// A backup was asked for.
    BackupRequested = "backup.requested",
    /// A backup was made.
    BackupSucceeded = "backup.succeeded",
    /// A backup could not be made.
    BackupFailed = "backup.failed",
    /// A backup was asked to stop.
    BackupCancelled = "backup.cancelled",
    /// A published file was taken into the catalogue after a crash.
    BackupAdopted = "backup.adopted",
    /// A backup was downloaded.
    BackupDownloaded = "backup.downloaded",
    /// A backup's file was brought back from a copy.
    BackupFetched = "backup.fetched",
    /// A backup's file was deleted.
    BackupDeleted = "backup.deleted",
    /// A backup stays whatever the policy says.
    BackupPinned = "backup.pinned",
    /// A backup may go again.
    BackupUnpinned = "backup.unpinned",
    /// Whether and to what backups are encrypted was changed.
    BackupEncryptionChanged = "backup.encryption_changed",
    /// Version 2's configuration was taken over.
    MigrationDone = "migration.done",
    /// What was taken over from version 2 was given back.
    MigrationUndone = "migration.undone",
    /// How long backups stay was changed.
    RetentionChanged = "retention.changed",
    /// A schedule was made.
    ScheduleCreated = "schedule.created",
    /// A schedule was changed.
    ScheduleChanged = "schedule.changed",
    /// A schedule was deleted.
    ScheduleDeleted = "schedule.deleted",
    /// When backups are proven was changed.
    VerificationScheduleChanged = "verification.schedule_changed",
    /// A stored file was found to be not what was written.
    ScrubFailed = "verification.scrub_failed",
    /// A further place for backups was made.
    DestinationCreated = "destination.created",
    /// A further place for backups was changed.
    DestinationChanged = "destination.changed",
    /// A further place for backups was forgotten.
    DestinationDeleted = "destination.deleted",
    /// A recovery kit was made and handed out.
    RecoveryKitMade = "recovery.kit_made",
    /// A restore was asked for.
    RestoreRequested = "restore.requested",
    /// A restore came to its end.
    RestoreFinished = "restore.finished",
    /// A restored database took the place of n8n's.
    RestoreSwapped = "restore.swapped",
    /// n8n got back what it used before a swap.
    RestoreUndone = "restore.undone",
    /// What a restore left over was deleted.
    RestoreDiscarded = "restore.discarded",
    /// How e-mail is sent was set.
    EmailConfigured = "email.configured",
    /// A test was sent by e-mail.
    EmailTested = "email.tested",
    /// A template of e-mail was edited.
    EmailTemplateChanged = "email.template_changed",
    /// A template of e-mail is the default again.
    EmailTemplateReset = "email.template_reset",
    /// A service for notifications was made.
    NotificationServiceCreated = "notification.service_created",
    /// A service for notifications was changed.
    NotificationServiceChanged = "notification.service_changed",
    /// A service for notifications was deleted.
    NotificationServiceDeleted = "notification.service_deleted",
    /// A service for notifications was tried.
    NotificationServiceTested = "notification.service_tested",
    /// A rule for notifications was made.
    NotificationRuleCreated = "notification.rule_created",
    /// A rule for notifications was changed.
    NotificationRuleChanged = "notification.rule_changed",
    /// A rule for notifications was deleted.
    NotificationRuleDeleted = "notification.rule_deleted",
    /// A notification was put back into the queue.
    NotificationRetried = "notification.retried",
    /// A trouble was acknowledged.
    AlertAcknowledged = "notification.alert_acknowledged",
    /// An incident of a workflow was acknowledged.
    IncidentAcknowledged = "watchdog.incident_acknowledged",
    /// Nobody is told of a workflow for a while.
    WorkflowMuted = "watchdog.workflow_muted",
    /// A workflow is told of again.
    WorkflowUnmuted = "watchdog.workflow_unmuted",
    /// A verification was asked for.
    VerificationRequested = "verification.requested",
    /// A verification came to its end.
    VerificationFinished = "verification.finished",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Action;

    #[test]
    fn names_are_unique_and_dotted() {
        let names: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        assert!(names.iter().all(|name| name.split('.').count() == 2));
    }
}
