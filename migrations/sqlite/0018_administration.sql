CREATE TABLE `administration_logins` (
	`bare_jid` text PRIMARY KEY NOT NULL,
	`last_login_at` integer NOT NULL,
	`motd_set_at` integer
);
--> statement-breakpoint
CREATE TABLE `administration_messages` (
	`kind` text PRIMARY KEY NOT NULL,
	`body` text NOT NULL,
	`set_at` integer NOT NULL
);
