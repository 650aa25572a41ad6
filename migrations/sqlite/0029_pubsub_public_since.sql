ALTER TABLE `pubsub_elsewhere` ADD `public_since` integer;--> statement-breakpoint
ALTER TABLE `pubsub_subscriptions` ADD `public_since` integer;--> statement-breakpoint
-- Since when those are public that were so before this was written down, is not known: as far as anybody can tell, since now.
UPDATE `pubsub_elsewhere` SET `public_since` = cast((julianday('now') - 2440587.5) * 86400000 as integer) WHERE `is_public` AND `state` = 'subscribed';--> statement-breakpoint
UPDATE `pubsub_subscriptions` SET `public_since` = cast((julianday('now') - 2440587.5) * 86400000 as integer) WHERE `is_public` AND `state` = 'subscribed';
