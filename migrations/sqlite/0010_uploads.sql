CREATE TABLE `uploads` (
	`id` text PRIMARY KEY NOT NULL,
	`bare_jid` text NOT NULL,
	`name` text NOT NULL,
	`size` integer NOT NULL,
	`content_type` text,
	`sha256` text,
	`expires_at` integer NOT NULL,
	`kept_until` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `uploads_by_account` ON `uploads` (`bare_jid`);--> statement-breakpoint
CREATE INDEX `uploads_by_expiry` ON `uploads` (`expires_at`);