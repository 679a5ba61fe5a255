DROP FUNCTION channel_by_hook(text);
