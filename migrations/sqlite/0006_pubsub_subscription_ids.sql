PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_pubsub_subscriptions` (
	`node` integer NOT NULL,
	`jid` text NOT NULL,
	`bare_jid` text NOT NULL,
	`address` text NOT NULL,
	`subid` text DEFAULT '1' NOT NULL,
	`state` text DEFAULT 'subscribed' NOT NULL,
	`options` text,
	`expires_at` integer,
	PRIMARY KEY(`node`, `jid`, `subid`),
	FOREIGN KEY (`node`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
INSERT INTO `__new_pubsub_subscriptions`("node", "jid", "bare_jid", "address", "subid", "state", "options", "expires_at") SELECT "node", "jid", "bare_jid", "address", "subid", "state", "options", "expires_at" FROM `pubsub_subscriptions`;--> statement-breakpoint
DROP TABLE `pubsub_subscriptions`;--> statement-breakpoint
ALTER TABLE `__new_pubsub_subscriptions` RENAME TO `pubsub_subscriptions`;--> statement-breakpoint
PRAGMA foreign_keys=ON;--> statement-breakpoint
CREATE INDEX `pubsub_subscriptions_by_account` ON `pubsub_subscriptions` (`bare_jid`,`node`);--> statement-breakpoint
CREATE INDEX `pubsub_subscriptions_by_end` ON `pubsub_subscriptions` (`expires_at`) WHERE expires_at is not null;