ALTER TABLE `pubsub_subscriptions` ADD `subid` text DEFAULT '1' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_subscriptions` ADD `state` text DEFAULT 'subscribed' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_subscriptions` ADD `options` text;--> statement-breakpoint
ALTER TABLE `pubsub_subscriptions` ADD `expires_at` integer;--> statement-breakpoint
CREATE INDEX `pubsub_subscriptions_by_end` ON `pubsub_subscriptions` (`expires_at`) WHERE expires_at is not null;