CREATE TABLE `offline_boxes` (
	`owner` text NOT NULL,
	`sender` text NOT NULL,
	`messages` integer NOT NULL,
	`chars` integer NOT NULL,
	PRIMARY KEY(`owner`, `sender`)
);
--> statement-breakpoint
CREATE TABLE `offline_messages` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`owner` text NOT NULL,
	`sender` text NOT NULL,
	`type` text,
	`stored_at` integer NOT NULL,
	`chars` integer NOT NULL,
	`xml` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `offline_messages_by_owner` ON `offline_messages` (`owner`,`id`);--> statement-breakpoint
CREATE TABLE `roster_items` (
	`owner` text NOT NULL,
	`contact` text NOT NULL,
	`name` text NOT NULL,
	`groups` text NOT NULL,
	`subscription` text NOT NULL,
	`is_asking` integer NOT NULL,
	`is_asked` integer NOT NULL,
	`is_approved` integer NOT NULL,
	`is_listed` integer NOT NULL,
	`version` integer NOT NULL,
	`request` text,
	PRIMARY KEY(`owner`, `contact`)
);
--> statement-breakpoint
CREATE INDEX `roster_items_by_contact` ON `roster_items` (`contact`);--> statement-breakpoint
CREATE INDEX `roster_items_by_version` ON `roster_items` (`owner`,`version`);--> statement-breakpoint
CREATE TABLE `roster_seen` (
	`bare_jid` text PRIMARY KEY NOT NULL,
	`unavailable_at` integer
);
--> statement-breakpoint
CREATE TABLE `rosters` (
	`owner` text PRIMARY KEY NOT NULL,
	`epoch` text NOT NULL,
	`sequence` integer NOT NULL,
	`forgotten` integer DEFAULT 0 NOT NULL
);
