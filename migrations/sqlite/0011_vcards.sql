CREATE TABLE `vcards` (
	`bare_jid` text PRIMARY KEY NOT NULL,
	`xml` text NOT NULL
);
