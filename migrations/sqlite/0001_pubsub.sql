CREATE TABLE `pubsub_affiliations` (
	`node` integer NOT NULL,
	`bare_jid` text NOT NULL,
	`affiliation` text NOT NULL,
	PRIMARY KEY(`node`, `bare_jid`),
	FOREIGN KEY (`node`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `pubsub_affiliations_by_account` ON `pubsub_affiliations` (`bare_jid`);--> statement-breakpoint
CREATE TABLE `pubsub_items` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`node` integer NOT NULL,
	`item_id` text NOT NULL,
	`publisher` text NOT NULL,
	`published_at` integer NOT NULL,
	`scope` text,
	`payload` text,
	FOREIGN KEY (`node`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `pubsub_items_by_id` ON `pubsub_items` (`node`,`item_id`);--> statement-breakpoint
CREATE INDEX `pubsub_items_by_order` ON `pubsub_items` (`node`,`seq`,`scope`);--> statement-breakpoint
CREATE TABLE `pubsub_nodes` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`node_id` text NOT NULL,
	`creator` text NOT NULL,
	`created_at` integer NOT NULL,
	`seen_type` text,
	`item_count` integer DEFAULT 0 NOT NULL,
	`scoped_count` integer DEFAULT 0 NOT NULL,
	`subscription_count` integer DEFAULT 0 NOT NULL,
	`title` text NOT NULL,
	`description` text NOT NULL,
	`type` text NOT NULL,
	`access_model` text NOT NULL,
	`publish_model` text NOT NULL,
	`persist_items` integer NOT NULL,
	`max_items` integer,
	`max_payload_bytes` integer NOT NULL,
	`subscribe` integer NOT NULL,
	`deliver_notifications` integer NOT NULL,
	`deliver_payloads` integer NOT NULL,
	`notify_config` integer NOT NULL,
	`notify_delete` integer NOT NULL,
	`notify_retract` integer NOT NULL,
	`notification_type` text NOT NULL,
	`item_reply` text NOT NULL,
	`send_last_item` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `pubsub_nodes_nodeId_unique` ON `pubsub_nodes` (`node_id`);--> statement-breakpoint
CREATE TABLE `pubsub_scope_counts` (
	`node` integer NOT NULL,
	`scope` text NOT NULL,
	`items` integer NOT NULL,
	PRIMARY KEY(`node`, `scope`),
	FOREIGN KEY (`node`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `pubsub_subscriptions` (
	`node` integer NOT NULL,
	`jid` text NOT NULL,
	`bare_jid` text NOT NULL,
	`address` text NOT NULL,
	PRIMARY KEY(`node`, `jid`),
	FOREIGN KEY (`node`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `pubsub_subscriptions_by_account` ON `pubsub_subscriptions` (`bare_jid`,`node`);